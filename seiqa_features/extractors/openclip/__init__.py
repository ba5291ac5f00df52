"""OpenCLIP networks: embeddings, and what two pictures say by their similarity to texts."""
