"""Make ``python -m slsadapt`` the command."""

from .cli import main

main()
