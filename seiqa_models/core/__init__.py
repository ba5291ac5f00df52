"""What all parts of the model half use: columns, checks, metrics, splits, errors."""
