"""What a person at the site may ask of the vault, and what they are shown."""
