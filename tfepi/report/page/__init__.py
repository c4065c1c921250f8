"""The report: one page, from the folders that the commands wrote."""
