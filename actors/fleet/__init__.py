"""The fleet: which terminals there are, what lists they hold, what they are told to do.

Nothing here stands in the way of a tap: a fleet that fails is opened anew, and taps go on.
"""
