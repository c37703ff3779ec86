"""Blocks that several neural methods share."""
