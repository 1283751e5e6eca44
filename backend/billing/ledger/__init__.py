"""The ledger: double entries that nobody changes, and what stands in customers' accounts."""
