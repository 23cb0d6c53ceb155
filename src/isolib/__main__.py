"""`python -m isolib`: the command line."""

from isolib.cli.main import main

main()
