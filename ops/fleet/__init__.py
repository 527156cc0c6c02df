"""The operator's side of a fleet: what files hold, what is asked and ordered, how it is shown."""
