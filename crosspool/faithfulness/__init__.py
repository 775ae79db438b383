"""Is the explanation true? What becomes of predictions when channels, positions or pixels are taken away."""
