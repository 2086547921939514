"""The embedded corpus: real encoded videos in three modalities, made from a seed."""

from framegate.recipes.corpus.make import CorpusSummary, FolderTakenError, make_corpus

__all__ = ["CorpusSummary", "FolderTakenError", "make_corpus"]
