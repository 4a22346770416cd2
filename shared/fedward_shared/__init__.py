"""What the coordinator, the sites and the simulations share: contracts, wire, crypto, privacy, models."""

import os

# gRPC reads this once, when it starts, and has no other switch in Python for the lowest version of TLS. The only suite
# left for TLS 1.2 needs an RSA certificate, and ours are ECDSA: so our connections are TLS 1.3, or none.
os.environ.setdefault("GRPC_SSL_CIPHER_SUITES", "ECDHE-RSA-AES128-GCM-SHA256")
