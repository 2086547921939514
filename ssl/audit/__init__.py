"""The shortcut audit: measures how much a backbone relies on overlays."""
