"""What the scripts agree on: the nouns of the pipeline, each module about one idea."""
