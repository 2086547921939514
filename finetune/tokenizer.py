"""A byte-level BPE tokenizer trained on the corpus's own texts: any script, nothing downloaded."""

from collections.abc import Iterable

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from framegate.finetune.hub import from_hub

PAD, START = "[PAD]", "[START]"


def train_tokenizer(texts: Iterable[str], *, vocabulary: int = 2048) -> PreTrainedTokenizerFast:
    """Learn at most ``vocabulary`` tokens (at least the 256 bytes and two special ones) from ``texts``.

    Text is NFKC-normalised and lower-cased; every byte is a token, so no text is out of vocabulary.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        min_frequency=2,
        special_tokens=[PAD, START],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=PAD, bos_token=START)


def load_tokenizer(reference: str) -> PreTrainedTokenizerBase:
    """The tokenizer of a Hugging Face encoder, or of a classifier folder, by local path or hub name.

    Raises:
        EncoderError: there is none.
    """
    return from_hub(AutoTokenizer.from_pretrained, reference)


def encode(tokenizer: PreTrainedTokenizerBase, text: str, *, max_tokens: int) -> Tensor | None:
    """Token ids (L,) int64, L <= ``max_tokens``; None for a text of white space, which is an absent modality."""
    if not text.strip():
        return None
    ids = tokenizer(text, truncation=True, max_length=max_tokens)["input_ids"]
    return torch.tensor(ids, dtype=torch.long) if ids else None
