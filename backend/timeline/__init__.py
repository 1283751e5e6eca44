"""What happened to a service, one thing after the other."""
