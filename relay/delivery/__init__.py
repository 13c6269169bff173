"""The rules of a delivery's life, pure: what follows from an attempt, when to try again, when to wait."""
