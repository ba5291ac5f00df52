"""Multimodal models that read both pictures of a pair and a text (extra `vlm`)."""
