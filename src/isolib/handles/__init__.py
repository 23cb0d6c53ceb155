"""What one holds: each object owns one descriptor or one path, and closes it."""
