"""What one server shares between its visits: settings, queues, networks, cache and decoders; it draws nothing."""
