"""Runs on disk: the run folder, the ledger, the model card, the submission."""
