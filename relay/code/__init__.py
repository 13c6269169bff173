"""A route's own Python and its schemas: loaded, limited in time, asked whether a body is valid."""
