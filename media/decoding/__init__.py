"""Frames and audio of media files: opening, reading, decoding."""
