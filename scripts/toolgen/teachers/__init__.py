"""Who writes the queries: each teacher is one module that yields replies for what is wanted."""
