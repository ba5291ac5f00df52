"""Convolutional networks of timm: pictures compared at several stages and by class."""
