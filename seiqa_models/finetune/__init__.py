"""Fine-tuning of a multimodal model on pairs and labels, after RedpanQA (extra `vlm`)."""
