"""Support for third-party learners and fusions: a registry, and calls whose errors name them."""
