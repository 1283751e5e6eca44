"""What services take of the machines, now and over time."""
