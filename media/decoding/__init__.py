"""Media files to frames and sound: opening, reading, decoding."""
