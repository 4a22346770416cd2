"""The importer as a program of its own: confined, watched, short-lived. What it parses may be hostile, it may not."""
