"""Tables of variants with statistics: their columns, alleles joined with scores, reference SNPs."""
