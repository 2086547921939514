"""Ways to fuse streams, and the network around them."""
