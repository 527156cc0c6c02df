"""Following a node's journal from the command line."""
