"""Whose a VAT number of the European Union is, asked of its issuer (ADR 0025)."""
