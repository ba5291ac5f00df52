"""The supported on-disk layouts, one module each."""
