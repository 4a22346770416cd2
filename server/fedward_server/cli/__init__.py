"""The fedward-coordinator command."""
