"""From a request to each target's request: checked, chosen, transformed; no network, no store."""
