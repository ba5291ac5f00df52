"""Checks of a bundle before it is trusted: it may come from an untrusted source."""
