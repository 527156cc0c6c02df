"""The rules: what is decided about a transaction and what follows from it.

Pure: no clock, no chance, no I/O. `decide` looks at the state and makes an `Entry`; `Book.apply`
is the only way an entry changes the state, on the day it is decided, on recovery and in an audit.
"""
