"""The report: what stands in metrics/ and plots/ as one HTML page that loads nothing."""
