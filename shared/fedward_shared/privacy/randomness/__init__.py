"""Where a step takes its randomness from: a keystream of bits, and the numbers that are made of them."""
