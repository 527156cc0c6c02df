"""The side of the device: a client that reconnects, sends again and keeps its own counter."""
