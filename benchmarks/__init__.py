"""How fast isolib starts containers, against a floor in C and against its peers: `make bench`."""
