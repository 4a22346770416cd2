"""The coordinator's end of the link, and Flower's Grid over it."""
