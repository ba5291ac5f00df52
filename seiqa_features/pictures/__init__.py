"""Pictures: files and arrays become 8-bit RGB pixels, and pixels the views that extractors see."""
