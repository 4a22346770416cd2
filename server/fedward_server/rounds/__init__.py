"""The round loop, the checks on every reply, and the checkpoints."""
