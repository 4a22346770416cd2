"""A hospital's side: vault, gateway, importer and the command that runs them."""
