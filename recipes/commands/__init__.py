"""The verbs of the command line, in groups."""
