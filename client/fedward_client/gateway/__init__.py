"""The network-facing process of a site. It holds no data and nobody trusts it."""
