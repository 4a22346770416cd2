"""Frozen dataclasses that cross rooms."""
