"""A target for trying things out, which misbehaves on demand."""
