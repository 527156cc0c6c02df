"""A card that is only software: what a MIFARE DESFire Light does, with real keys and cryptography.

`VirtualCard` (`card`) is bytes in, bytes out. What it keeps without power is one value (`files`),
which only ever changes as a whole; what it forgets is its session (`session`) and what was not
committed (`transaction`). `VpcdSlot` (`vpcd`) puts a card into a virtual reader of PC/SC.

It is for tests, demonstrations and loads: its keys lie in memory and in its image for all to read.
"""
