"""Predictions of a model for windows of a genome, as HDF5 and as tracks."""
