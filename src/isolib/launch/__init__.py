"""How a spec becomes a process: compile() decides, spawn() acts."""
