"""A page to try the model on: a request becomes calls, and a simulated car shows what they do."""
