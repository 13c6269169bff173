"""Commands that ask a running relay by its admin API."""
