"""Where deliveries go; a kind of target is one file, with its own options."""
