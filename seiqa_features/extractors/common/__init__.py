"""Code shared by several extractor families (torch); imported inside their factories."""
