"""The demo data: scenes scored by people, and photographs edited by recipe."""
