"""Customers' own domains: proof of ownership, routing at the edge, certificates."""
