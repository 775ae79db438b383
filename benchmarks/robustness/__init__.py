"""How it bears bad input, crashes and strangers: each module is one command."""
