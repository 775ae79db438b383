"""Features of very many images, computed in shards by any number of processes and machines, and kept in a store."""
