"""What the fund of a programme has paid: a question to the journal."""
