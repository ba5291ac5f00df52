"""Extractor families. Importing one registers its specs; its libraries load when they are used."""
