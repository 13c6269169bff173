"""From a verified request to what each target gets; no network, no store."""
