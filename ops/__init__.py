"""What starts, watches and exercises a node: the command line and what stands behind it."""
