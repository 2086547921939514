"""What only fine-tuning and evaluation need."""
