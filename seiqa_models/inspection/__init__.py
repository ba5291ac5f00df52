"""What is found out about a bundle before it is believed: it may come from a stranger."""
