"""Baselines: one file per method that a proposed model has to beat."""
