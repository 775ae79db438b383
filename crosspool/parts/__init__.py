"""Part-based R-CNNs: detect the parts of an object, and describe each by the map inside its box."""
