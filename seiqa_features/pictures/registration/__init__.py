"""Registration: how a degraded picture has moved, and the same picture moved back."""

VERSION = 10
"""Increased when `realigned` returns other pixels; part of the fingerprint of aligned views."""
