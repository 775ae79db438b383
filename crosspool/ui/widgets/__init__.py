"""Widgets that know neither data nor server, with the scripts and styles that they need in the browser."""
