"""The layouts on disk that are read, a module each."""
