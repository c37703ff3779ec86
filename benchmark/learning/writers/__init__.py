"""Report text for datasets without radiologists' reports."""
