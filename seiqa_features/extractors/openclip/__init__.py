"""OpenCLIP networks: embeddings, and features from the similarity of pictures to texts."""
