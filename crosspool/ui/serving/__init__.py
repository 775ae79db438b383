"""The server around the pages: start, readiness, uploads, and the operator's page."""
