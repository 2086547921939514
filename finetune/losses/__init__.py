"""The losses of the classifier."""
