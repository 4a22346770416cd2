"""The only door to flwr's types."""
