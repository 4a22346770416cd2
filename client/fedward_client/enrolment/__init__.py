"""How a site joins: an isolated step for the vault's half, a networked one for the gateway's, and a check-up."""
