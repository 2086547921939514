"""The frame store: its tables, writing it and reading it."""
