"""Uploads, links and settings as no honest program writes them: damaged on purpose, each made from a seed."""
