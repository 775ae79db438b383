"""Uploads, links and settings as no honest program writes them: valid ones damaged on purpose, each made from a seed."""
