"""Vision transformers of timm, and the comparison of patch tokens by position."""
