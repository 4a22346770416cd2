"""The shared models, one family a file, behind a registry."""
