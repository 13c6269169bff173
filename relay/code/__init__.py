"""A route's own Python and its schemas.

`folder` loads the code, `deadline` limits the time that it may take, `model` and `schema` check
bodies by it, and `invalid` is their refusal.
"""
