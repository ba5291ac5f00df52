"""The demo's data: scenes that people scored, and photographs edited by recipe."""
