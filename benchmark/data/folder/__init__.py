"""A user's own cohort: a folder with `cohort.toml`, a table, images and reports, read without a line of code."""
