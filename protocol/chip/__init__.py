"""The chip of a card (MIFARE DESFire Light: AES-128, messaging of EV2), without I/O.

APDUs and their chains (`apdu`), proving a key and the session that follows (`authentication`,
`secure`), a key for each card (`diversify`), and the MAC by which a host knows what a chip did
(`transaction_mac`).
"""
