"""Which frames come when, and their pairs of views."""
