"""Text and sound encoders of Hugging Face, opened safely."""
