"""The gallery of all weighting maps as a browser shows it: what is sent, and the scripts and styles that draw it."""

MAX_PINS = 8  # maps pinned side by side
LARGEST_TOP = 1e12  # of a fixed scale: the weights of an untrained ResNet-152 go up to 4e8
