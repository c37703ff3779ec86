"""Corpora: one file per corpus, texts for language models."""
