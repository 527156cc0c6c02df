"""Rules as dated data, each with its article."""
