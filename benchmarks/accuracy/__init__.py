"""How right it is: each module is one command."""
