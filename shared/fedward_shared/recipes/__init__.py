"""How each family of models is trained well: defaults that `python -m benchmarks.recipes` tests."""
