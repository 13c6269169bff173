"""Who carries deliveries out: a lane for each target, or for each of its partitions."""
