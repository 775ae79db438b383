"""Side by side: one map and another one, of another network, layer pair, size, training or image."""
