"""Heritability: clusters and scores handed to LD score regression, and its results read back."""
