"""What is in a data set, a file of weights or an image, and how it is read here: reports, as tables and as JSON."""
