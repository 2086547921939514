"""The streams: frames, audio and text, each as one vector."""
