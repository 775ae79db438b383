"""The weighting maps of an image: choosing what to show, the gallery, large images, downloads."""
