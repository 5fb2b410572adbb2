"""What refine does to a reply: verify, deduplicate, audit, describe."""
