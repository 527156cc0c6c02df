"""The commands of `jakarta-one`, one module each."""
