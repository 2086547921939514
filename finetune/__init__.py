"""The multimodal gated-fusion classifier over a taxonomy."""
