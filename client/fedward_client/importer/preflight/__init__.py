"""Tells a site's data manager early, locally and privately what does not fit a study. Nothing of it ever leaves."""
