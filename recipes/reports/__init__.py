"""Pages, cards and tables for people."""
