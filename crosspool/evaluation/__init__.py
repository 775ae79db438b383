"""How well classifiers do: splits, metrics, and the uncertainty of these."""
