"""Checks rows against the contract: units, ranges, spellings, times, cohort, split. Reads no file."""
