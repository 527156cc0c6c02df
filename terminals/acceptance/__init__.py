"""A terminal that takes cards: what it decides by itself, does to chips, and writes down.

It never waits for the node: `offline` decides on the chip, its lists and the law; `visit` carries
the decision out on the card; `journal` has written it down before the gate opens, and `sender`
tells the node of it whenever there is a connection.
"""
