"""The model behind HTTP: one thread that answers in batches, guards before it, OpenAI's chat protocol."""
