"""Engines that keep events: SQLite."""
