"""What every floor of the model half uses: columns, checks, metrics, splits, errors."""
