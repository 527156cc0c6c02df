"""Attacks on a node by peers that keep to no rule, and what the terminals beside them feel."""
