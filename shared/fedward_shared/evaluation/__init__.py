"""What a model is worth: figures from labels and scores, with numpy alone."""
