"""Find real overlays: borders, logos and subtitles."""
