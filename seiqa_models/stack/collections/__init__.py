"""Several collections in one stack: their scales, and what their observers disagree about."""
