"""What one server process shares between visits: settings, queue, networks, caches and workers; it draws nothing."""
