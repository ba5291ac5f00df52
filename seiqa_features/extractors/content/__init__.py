"""Comparison of the text and the objects in pictures."""
