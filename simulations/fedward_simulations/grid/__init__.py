"""Methods, strategies, ε and seeds as one grid of cells: each is trained once, kept, and never trained again."""
