"""Settings, command line and thin steps around the two halves."""
