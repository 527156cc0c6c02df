"""docs/protocol.md played against a node, and against a client."""
