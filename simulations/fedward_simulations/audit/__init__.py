"""Does the step leak no more than it claims? Attacks on the product's own code, in simulation only."""
