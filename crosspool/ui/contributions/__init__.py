"""Why this class: explanations of a classifier, in numbers, pictures and words."""
