"""Everything that fits."""
