"""What the panel costs, measured on the machine at hand as ratios to the same work done barely."""
