"""The phrase bank: what the offline teacher reads."""
