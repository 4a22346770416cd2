"""Clinical units: how they are spelt, and how a number in one becomes a number in another."""
