"""A byte-level BPE tokenizer trained on the corpus's own texts: any script, nothing downloaded."""

from collections.abc import Iterable

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedConfig, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from framegate.finetune.encoders.encoder_trust import EncoderError, check_tokenizer, make_config, read_object
from framegate.finetune.encoders.hub import encoder_errors, encoder_folder

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

    Runs no code from it.

    Raises:
        EncoderError: there is none, or it is damaged, or of a kind that framegate does not open.
    """
    folder = encoder_folder(reference)
    check_tokenizer(folder)
    file = folder / "config.json"
    config = make_config(read_object(file), kind="text", where=str(file)) if file.is_file() else PreTrainedConfig()
    with encoder_errors(f"{folder}: no tokenizer"):
        # With a config given, transformers makes none from the folder's files.
        return AutoTokenizer.from_pretrained(folder, config=config, local_files_only=True, trust_remote_code=False)


def check_vocabulary(tokenizer: PreTrainedTokenizerBase, vocabulary: int) -> int:
    """Return ``vocabulary``, the number of ids that an encoder knows, if no token's id lies beyond.

    Raises:
        EncoderError: one does.
    """
    with encoder_errors("tokenizer"):
        # Beside the vocabulary's, the ids of the special tokens that stand around every text.
        largest = max([*tokenizer.get_vocab().values(), *tokenizer("a")["input_ids"]], default=0)
    if largest >= vocabulary:
        raise EncoderError(f"the tokenizer has a token {largest:,}, and its encoder knows {vocabulary:,}, from 0")
    return vocabulary


def encode(tokenizer: PreTrainedTokenizerBase, text: str, *, max_tokens: int) -> Tensor | None:
    """Token ids (L,) int64, L <= ``max_tokens``; None for a text of white space, which is an absent modality.

    Raises:
        EncoderError: the tokenizer gives up, as over a regular expression of its own that would take for ever.
    """
    if not text.strip():
        return None
    with encoder_errors("tokenizer"):
        ids = tokenizer(text, truncation=True, max_length=max_tokens)["input_ids"]
    return torch.tensor(ids, dtype=torch.long) if ids else None
