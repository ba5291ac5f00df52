"""The public functions, which `seiqa_features` exports."""
