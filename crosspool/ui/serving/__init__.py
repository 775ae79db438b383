"""The server around the pages: its start, readiness, uploads, metrics, and the operator's page."""
