"""What the coordinator, the sites and the simulations share: contracts, wire, crypto, privacy, models."""
