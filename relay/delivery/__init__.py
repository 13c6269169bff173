"""The rules of a delivery's life: what an attempt leads to, when to try again, when to wait."""
