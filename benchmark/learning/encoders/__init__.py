"""Frozen image and text encoders, one file each."""
