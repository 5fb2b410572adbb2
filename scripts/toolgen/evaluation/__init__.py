"""Scores, peers and what is said of them."""
