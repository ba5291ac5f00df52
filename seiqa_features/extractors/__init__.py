"""Extractor families. Importing one registers its specs; its libraries load on first use."""
