"""Terminals in the containers and processes of services."""
