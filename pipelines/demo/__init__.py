"""The demo's data: bundled photographs, degraded by recipe."""
