"""Estimates of what an extraction will cost, before weights are fetched or pictures decoded."""
