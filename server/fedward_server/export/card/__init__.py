"""The model card: what a reader must know before using a model, written from facts alone."""
