"""Rehearsing rules on the past, and counting what it has cost: all from the journal."""
