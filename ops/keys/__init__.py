"""Keys of terminals on the command line: how they are written, told, and read from a file."""
