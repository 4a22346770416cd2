"""What a run showed: figures, the table in the terminal, plots, and a page that needs no network."""
