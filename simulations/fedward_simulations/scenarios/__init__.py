"""Ready-made federations on real and generated data."""
