"""Variants: alleles, windows, statistics and scores, whole or of what a change reaches."""
