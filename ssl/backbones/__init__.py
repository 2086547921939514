"""Frame backbones and their weights: open, check, write."""
