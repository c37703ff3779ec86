"""Proposed and adapted methods, and yours: one file per method."""
