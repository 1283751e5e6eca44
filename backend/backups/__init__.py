"""Backups of volumes (`docs/decisions/0042-backups.md`)."""
