"""Runs the whole panel on one machine without Docker or root: PostgreSQL, Redis and nginx from wheels."""
