"""Finding real overlays: borders, logos and subtitles."""
