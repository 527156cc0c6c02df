"""What happened: a journal from its first entry on, sorted by card."""
