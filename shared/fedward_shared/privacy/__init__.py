"""Differential privacy: what happened (events), what it costs (accounting), and the step itself."""
