"""The data-holding process: admission, budget, training, ledger, journal. It has no network."""
