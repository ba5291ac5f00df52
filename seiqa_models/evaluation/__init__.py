"""Honest evaluation: the nested estimate, its figures, comparisons and ablations."""
