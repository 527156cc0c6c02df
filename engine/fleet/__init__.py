"""The rules of a fleet of terminals: lists that they hold, commands that they carry out."""
