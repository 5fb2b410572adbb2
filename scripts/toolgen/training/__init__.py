"""One loop for the three training stages, and what a stage needs around it."""
