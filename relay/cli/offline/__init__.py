"""Commands that need no running relay: they read the configuration, the routes and their samples."""
