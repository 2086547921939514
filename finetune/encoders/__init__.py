"""Text and audio encoders of Hugging Face, opened safely."""
