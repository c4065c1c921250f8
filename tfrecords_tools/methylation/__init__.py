"""Files of DNA methylation, read into one tidy store of CpGs and samples."""
