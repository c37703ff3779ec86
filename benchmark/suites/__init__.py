"""The suites' TOML files, and what reads them."""
