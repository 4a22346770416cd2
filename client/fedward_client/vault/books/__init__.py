"""The vault's durable books: ledger, journal, studies, stored replies, and the anchor that notices a roll-back."""
