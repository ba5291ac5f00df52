"""Extraction: what the store lacks is planned, decoded, computed in batches and written."""
