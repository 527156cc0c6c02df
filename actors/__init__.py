"""The running node: supervision, and the actors that take taps from socket to journal."""
