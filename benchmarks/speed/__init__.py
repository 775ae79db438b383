"""How fast it is: each module is one command."""
