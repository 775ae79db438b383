"""How well classifiers do: splits, metrics, and how sure one can be of them."""
