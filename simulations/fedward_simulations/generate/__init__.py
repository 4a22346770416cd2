"""Generated hospitals: data of each source type with a known truth, and defects planted on request. SYNTHETIC."""
