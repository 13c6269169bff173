"""The words of every YAML section: names, durations, sizes, rates, secrets."""
