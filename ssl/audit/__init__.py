"""The shortcut audit: how far a backbone leans on overlays."""
