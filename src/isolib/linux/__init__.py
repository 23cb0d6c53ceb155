"""What the kernel can do: integers and bytes in, integers out. The only importers of the compiled module live here."""
