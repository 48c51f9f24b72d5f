"""The stage of the tests: one noun per file."""
