"""Models conditioned on accessibility: trained, scored and compared on one data set."""
