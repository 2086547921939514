"""Frame backbones and their weights: opening, checking, writing."""
