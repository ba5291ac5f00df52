"""Common sense: relations between scores that hold by construction, and how many a model keeps."""
