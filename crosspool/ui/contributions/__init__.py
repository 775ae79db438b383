"""Why this class: explanations of a classifier, in numbers, images and words."""
