"""Rehearsing rules on the past: what it would have cost by others."""
