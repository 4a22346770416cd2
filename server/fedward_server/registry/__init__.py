"""Who was invited, who joined, who was revoked."""
