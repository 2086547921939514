"""Audio tracks: which one is taken, how its channels are mixed, and where its samples lie in time."""
