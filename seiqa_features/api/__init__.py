"""The public functions that `seiqa_features` exports."""
