"""Extraction: plan what the store lacks, decode it, compute it in batches and write it."""
