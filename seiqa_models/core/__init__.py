"""Shared by all parts of the model half: columns, checks, metrics, splits, errors."""
