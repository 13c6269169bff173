"""The series that Prometheus scrapes: the relay's, and those of a route's own."""
