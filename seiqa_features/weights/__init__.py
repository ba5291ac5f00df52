"""Pretrained weight files: where they are found, verified and fetched."""
