"""How it bears many visitors: each module is one command."""
