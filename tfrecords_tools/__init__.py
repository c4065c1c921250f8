"""Genome and tracks to TFRecords to tf.data. Knows nothing of models."""
