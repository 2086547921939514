"""Files to frames, sound and rows: manifests, extraction and the frame store."""
