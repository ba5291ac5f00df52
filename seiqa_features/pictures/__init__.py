"""Pictures: files and arrays become 8-bit RGB pixels, and pixels become views for extractors."""
