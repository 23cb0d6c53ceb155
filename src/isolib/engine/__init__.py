"""What is kept alive, and by what rules: one verb a file."""
