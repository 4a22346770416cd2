"""The fedward-site command."""
