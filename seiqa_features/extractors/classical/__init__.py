"""Full-reference metrics and statistics that need no pretrained weights."""
