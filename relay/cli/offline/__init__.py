"""Commands that need no running relay: they read configuration, routes and samples."""
