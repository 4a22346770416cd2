"""study.toml: reading, checking, resolving, costing and signing it."""
