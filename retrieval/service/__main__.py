"""`python -m retrieval.service`: the command line, for where the program is not installed."""

from retrieval.service.cli.main import main

main()
