"""Arrays in, images out: overlays, contact sheets, figures, slides and the sheet of one explanation."""
