"""Bridges to other adapters, so that nobody has to change everything at once."""
