"""The chip of a card (MIFARE DESFire Light and EV2, AES-128), without I/O."""
