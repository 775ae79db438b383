"""Is the explanation true? How predictions change when channels, positions or pixels are removed."""
