"""Methylation: regulatory variants, association signals, polygenic scores, motifs."""
