"""Image pairs → feature table. Knows images and networks, knows nothing of labels."""
