"""Accuracy of predictions, with intervals from a bootstrap over blocks of the genome."""
