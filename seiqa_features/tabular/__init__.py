"""One reader for user-made tables: manifests, label sheets and tables of numbers."""
