"""Runs of billing's periodic tasks: what they did, how far they are, why they stopped."""
