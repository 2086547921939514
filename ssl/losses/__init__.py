"""The losses of pretraining."""
