"""What a model's outputs mean: losses while it is trained, scores when it is used."""
