"""Audit of a data set: duplicates, leaks, and which split to trust."""
