"""The embedded corpus: real encoded videos in three modalities, made from a seed."""
