"""Quantitative trait loci (QTLs): which bins of the genome they connect, and as an exam."""
