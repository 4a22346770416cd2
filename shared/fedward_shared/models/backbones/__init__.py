"""Frozen feature extractors: the model sees what they make of a record, and they are no part of what travels."""
