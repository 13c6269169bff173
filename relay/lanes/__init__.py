"""The packages between an accepted event and its targets: a lane for each target or partition."""
