"""Feature blocks of systems of the LoViF 2026 SeIQA challenge (arXiv 2604.11207)."""
