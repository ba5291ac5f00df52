"""Work for a GPU: batches on it, and the processes that prepare pictures for them."""
