"""Peaks by cell type: clusters, accuracy in each, and what training decisions do to it."""
