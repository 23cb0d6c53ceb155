"""The command line: words and options to values, one verb a file, and what it says to people."""
