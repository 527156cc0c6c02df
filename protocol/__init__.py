"""Wire formats without I/O: bytes in, events out."""
