"""What only pretraining needs."""
