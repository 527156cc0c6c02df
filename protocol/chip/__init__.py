"""The chip of a card (MIFARE DESFire Light and EV2, AES-128), without I/O.

APDUs and their chains (`apdu`), proving a key and the session that follows (`authentication`,
`secure`), a key for each card (`diversify`), and the MAC by which a host knows what a chip did
(`transaction_mac`).
"""
