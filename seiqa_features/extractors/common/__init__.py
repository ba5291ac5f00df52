"""What several families of extractors share (torch); imported inside their factories."""
