"""The page of one channel: its classes, what it looks for, its strongest patches, and the maps most like it."""
