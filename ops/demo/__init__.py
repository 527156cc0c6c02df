"""The demo: a seeded morning of a small real network, run through a node that is killed half way.

`network` holds the facts, `city` draws the morning, `fleet` drives the terminals, `run` puts it
together, `audit` checks what came of it, `statement` tells it.
"""
