"""The stack: preparation, meta-features, pool of learners, fusion, calibration, intervals."""
