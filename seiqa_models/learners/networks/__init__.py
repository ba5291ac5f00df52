"""Small networks on feature tables, trained with skorch, and the losses that they share."""
