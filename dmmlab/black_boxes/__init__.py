"""Targets that can only be run: what they will answer is their state."""
