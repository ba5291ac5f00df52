"""Image quality metrics that are pretrained networks (LPIPS, DISTS, TOPIQ, …)."""
