"""What a network may not rely on: painted and masked overlays, views, attention."""
