"""The page of a collection: a wall of images by channels and by likeness, all of them on a plane, and its classes."""
