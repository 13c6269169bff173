"""CEL expressions over a request and its event."""
