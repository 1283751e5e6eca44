"""Adapters to DNS providers, for the challenge that wildcards need."""
