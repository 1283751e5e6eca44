"""What services used, what that costs, and what it will cost (`docs/decisions/0026-metering.md`)."""
