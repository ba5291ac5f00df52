"""Loading the scorer that a verb needs, and a single pair's scorer soon."""
