"""Feature extractors of audio encoders: of known kinds alone, and by numbers within bounds, whatever a folder says."""

import inspect
from pathlib import Path
from typing import Any

from transformers import (
    ASTFeatureExtractor,
    SeamlessM4TFeatureExtractor,
    SequenceFeatureExtractor,
    Wav2Vec2FeatureExtractor,
    WhisperFeatureExtractor,
)

from framegate.finetune.encoders.encoder_trust import EncoderError, in_a_line, read_object, refuse_foreign

_EXTRACTORS: dict[str, type[SequenceFeatureExtractor]] = {
    extractor.__name__: extractor
    for extractor in (
        ASTFeatureExtractor,
        SeamlessM4TFeatureExtractor,
        Wav2Vec2FeatureExtractor,
        WhisperFeatureExtractor,
    )
}
_EXTRACTOR_OF = {
    "audio-spectrogram-transformer": "ASTFeatureExtractor",
    "wav2vec2-bert": "SeamlessM4TFeatureExtractor",
    "whisper": "WhisperFeatureExtractor",
}
_NUMBERS: dict[str, tuple[float, float]] = {
    "chunk_length": (1, 60),  # seconds
    "dither": (0, 1),
    "feature_size": (1, 512),
    "hop_length": (16, 4096),
    "max_length": (1, 8192),
    "mean": (-1e6, 1e6),
    "n_fft": (16, 4096),
    "num_mel_bins": (1, 512),
    "padding_value": (-1e6, 1e6),
    "sampling_rate": (4_000, 192_000),
    "std": (1e-6, 1e6),
    "stride": (1, 16),
}
_MAX_STEPS = 10_000  # of a spectrogram of one window


def make_extractor(folder: Path) -> SequenceFeatureExtractor:
    """Make the feature extractor that a folder describes.

    Raises:
        EncoderError: there is none, it is not listed, or a number is out of bounds.
    """
    file, content = _extractor_file(folder)
    refuse_foreign(content, str(file))
    named = content.get("feature_extractor_type")
    if named is None and (folder / "config.json").is_file():
        model_type = read_object(folder / "config.json").get("model_type")
        named = _EXTRACTOR_OF.get(str(model_type), "Wav2Vec2FeatureExtractor")
    if not isinstance(named, str) or named not in _EXTRACTORS:
        raise EncoderError(f"{file}: framegate opens no feature extractor {str(named)[:60]!r}")
    extractor = _EXTRACTORS[named]
    options = {key: content[key] for key in _extractor_keys(extractor) if content.get(key) is not None}
    for key, value in options.items():
        _check_extractor_value(key, value, str(file))
    if named == "WhisperFeatureExtractor":
        seconds, rate, hop = (
            options.get(key, default)
            for key, default in (("chunk_length", 30), ("sampling_rate", 16_000), ("hop_length", 160))
        )
        if seconds * rate / hop > _MAX_STEPS:
            raise EncoderError(f"{file}: chunk_length and hop_length make more than {_MAX_STEPS:,} steps of a window")
    try:
        return extractor(**options)
    except Exception as error:  # each extractor checks its values in its own way
        raise EncoderError(f"{file}: {in_a_line(error)}") from error


def _extractor_file(folder: Path) -> tuple[Path, dict[str, Any]]:
    processor = folder / "processor_config.json"
    if processor.is_file():
        content = read_object(processor)
        refuse_foreign(content, str(processor))
        for key in ("feature_extractor", "audio_processor"):
            if isinstance(content.get(key), dict):
                return processor, content[key]
    file = folder / "preprocessor_config.json"
    return file, read_object(file)


def _extractor_keys(extractor: type[SequenceFeatureExtractor]) -> set[str]:
    declared = set(inspect.signature(extractor).parameters)
    return (declared | {"padding_side", "return_attention_mask"}) - {"args", "kwargs"}


def _check_extractor_value(key: str, value: object, where: str) -> None:
    if key in _NUMBERS:
        low, high = _NUMBERS[key]
        fits = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
        wanted = f"a number of {low:g} to {high:g}"
    elif key == "padding_side":
        fits, wanted = value in ("left", "right"), "left or right"
    else:
        fits, wanted = isinstance(value, bool), "true or false"
    if not fits:
        raise EncoderError(f"{where}: {key} is {str(value)[:40]}, not {wanted}")
