"""The fast way to clipped sums: one backward pass, norms from what each layer saw, one product a layer."""
