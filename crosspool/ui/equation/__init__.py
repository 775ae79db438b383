"""Equation 1 taken apart: built up position by position, changed by experiments, drawn as charts."""
