"""The pretraining methods, one file each."""
