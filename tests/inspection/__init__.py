"""Reports on data sets, files of weights and images."""
