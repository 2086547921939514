"""What the files of a Hugging Face encoder may say: numbers and names of known parts, never code or other models.

transformers opens whatever a folder names: Python files beside the weights (``auto_map``), models inside of models
(``backbone``), kernels and base models of the hub. Here a folder's files are read as data, checked against lists of
what is known, and only then given to the class that they name.
"""

import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from transformers import PreTrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from framegate.media.errors import FramegateError
from framegate.media.json_files import read_json

Kind = Literal["text", "audio"]


class EncoderError(FramegateError, ValueError):
    """A name or folder that gives no encoder of the kind asked for."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Of what an encoder may be: models that consist of their own code in transformers alone, and open no other by name.
MODELS: dict[Kind, frozenset[str]] = {
    "text": _words(
        """albert bert camembert convbert data2vec-text deberta deberta-v2 distilbert electra ernie eurobert
        ibert megatron-bert mobilebert modernbert mpnet mt5 nomic_bert nystromformer rembert roberta
        roberta-prelayernorm squeezebert t5 umt5 xlm-roberta xlm-roberta-xl"""
    ),
    "audio": _words(
        """audio-spectrogram-transformer data2vec-audio hubert sew sew-d unispeech unispeech-sat wav2vec2
        wav2vec2-bert wav2vec2-conformer wavlm whisper"""
    ),
}

# Of tokenizers those that the `tokenizers` library runs, and that import no other package.
_TOKENIZERS = _words(
    """Albert Bart Bert Camembert ConvBert Deberta DebertaV2 DistilBert Electra Longformer MPNet MT5 MobileBert
    RemBert Roberta SqueezeBert T5 XLMRoberta"""
)
_PLAIN_TOKENIZERS = ("TokenizersBackend", "PreTrainedTokenizerFast")
_TOKENIZER_FILES = (".json", ".txt", ".model", ".jinja")
_MAX_TOKENIZER_BYTES = 32 << 20  # a vocabulary of 250,000 tokens takes 17 MB

# Keys by which transformers imports code, opens another model or file, or asks the hub.
_FOREIGN = re.compile(
    r"auto_map|backbone.*|use_timm_backbone|timm_.*|trust_remote_code|code_revision|custom_\w+|use_kernels?|kernel_config"
    r"|quantization_config|compression_config|distributed_config|fusion_config|transformers_weights|base_model\w*"
    r"|_?experts_implementation|gguf_file|fast_tokenizer_files|init_inputs"
)
_ATTENTION = re.compile(r"_?attn_implementation(_internal)?")
_PLAIN_ATTENTION = ("eager", "sdpa")

# Keys of the listed models that their configs read without declaring them.
_BEYOND_FIELDS = _words(
    """adapter_attn_dim add_adapter attention_head_size cls_dropout conv_act conv_groups conv_kernel_size
    conv_pos_batch_norm embedding_size global_attn_every_n_layers global_rope_theta head_dim local_rope_theta
    max_relative_positions norm_rel_ebd pooler_hidden_size position_biased_input position_buckets
    relative_attention rope_scaling rope_theta share_att_key talking_head tie_word_embeddings"""
)
# What framegate decides, and what it has no use for.
_UNUSED = _words(
    """architectures chunk_size_feed_forward dtype id2label label2id output_attentions output_hidden_states
    problem_type return_dict torch_dtype transformers_version"""
)
_MAX_NUMBER = 1 << 24
_MAX_REPEATED = 512
_REPEATED = re.compile(r"layers|n_layer|groups")
_MAX_NAME = 256


def make_config(content: object, *, kind: Kind, where: str) -> PreTrainedConfig:
    """Make the config of a listed model from what a ``config.json`` says of it.

    Keys that the model does not know are left out.

    Args:
        content: the JSON object.
        kind: what the encoder is to read.
        where: the file, for error messages.

    Raises:
        EncoderError: it names no model of this kind, or what transformers would run, open or ask for; or a number is
            out of bounds.
    """
    content = _object(content, where)
    refuse_foreign(content, where)
    model_type = content.get("model_type")
    if not isinstance(model_type, str) or model_type not in MODELS[kind]:
        raise EncoderError(_not_of_kind(model_type, kind, where))
    options = _plain(describe(content), where)
    try:
        config = CONFIG_MAPPING[model_type](**options)
    except Exception as error:  # each config checks its values in its own way
        raise EncoderError(f"{where}: {in_a_line(error)}") from error
    return config


def describe(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a listed model's config is needed to build it again, without ``model_type``."""
    config_class = CONFIG_MAPPING[content["model_type"]]
    # Configs are dataclasses in newer versions of transformers.
    fields = getattr(config_class, "__dataclass_fields__", None) or inspect.signature(config_class).parameters
    known = (set(fields) | set(config_class.attribute_map) | _BEYOND_FIELDS) - _UNUSED
    return {key: value for key, value in content.items() if key in known}


def check_tokenizer(folder: Path) -> None:
    """Check a folder's tokenizer files before transformers opens them.

    Raises:
        EncoderError: a file is too large, damaged, or names a tokenizer that is not listed, code, or other files.
    """
    for file in sorted(folder.iterdir()):
        if file.suffix in _TOKENIZER_FILES and file.is_file() and file.stat().st_size > _MAX_TOKENIZER_BYTES:
            raise EncoderError(f"{file}: larger than {_MAX_TOKENIZER_BYTES >> 20} MB")
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        if not (file := folder / name).exists():
            continue
        content = read_object(file)
        refuse_foreign(content, str(file))
        named = content.get("tokenizer_class")
        if named is not None and not _is_listed_tokenizer(named):
            raise EncoderError(f"{file}: framegate opens no tokenizer_class {str(named)[:60]!r}")
        for key, value in content.items():
            # transformers itself writes these two, and ignores them.
            if key.endswith("_file") and key not in ("tokenizer_file", "special_tokens_map_file") and value:
                raise EncoderError(f"{file}: {key} names another file")


def refuse_foreign(content: object, where: str) -> None:
    """Refuse keys, at any depth, by which transformers runs code, opens other models or files, or asks the hub.

    Raises:
        EncoderError: there is one.
    """
    for key, value in _items(content):
        foreign = _FOREIGN.fullmatch(key) is not None and bool(value)
        if foreign or (_ATTENTION.fullmatch(key) and value is not None and value not in _PLAIN_ATTENTION):
            raise EncoderError(
                f"{where}: {key[:60]} would have code run or another model opened, and framegate opens no such folder"
            )


def read_object(file: Path) -> dict[str, Any]:
    """Read a JSON file that holds an object.

    Raises:
        EncoderError: it is missing, damaged, too large, or holds something else.
    """
    try:
        return _object(read_json(file), str(file))
    except EncoderError:
        raise
    except (OSError, ValueError) as error:
        raise EncoderError(f"{file}: {in_a_line(error)}") from error


def in_a_line(error: BaseException) -> str:
    """Return the gist of another library's error in one short line."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def _object(content: object, where: str) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise EncoderError(f"{where}: a {type(content).__name__}, not an object")
    return content


def _items(content: object) -> Iterator[tuple[str, Any]]:
    waiting = [content]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield from value.items()
            waiting += value.values()
        elif isinstance(value, list | tuple):
            waiting += value


def _not_of_kind(model_type: object, kind: Kind, where: str) -> str:
    other: Kind = "audio" if kind == "text" else "text"
    takes = {"text": "input_ids", "audio": "input_values or input_features"}
    if isinstance(model_type, str) and model_type in MODELS[other]:
        return f"{where}: a {model_type} takes {takes[other]}, not {takes[kind]}: it is no encoder of {kind}"
    known = ", ".join(sorted(MODELS[kind]))
    return f"{where}: model_type {str(model_type)[:40]!r} is no encoder of {kind} that framegate opens ({known})"


def _plain(options: dict[str, Any], where: str) -> dict[str, Any]:
    for key, value in _items(options):
        limit = _MAX_REPEATED if _REPEATED.search(key) else _MAX_NUMBER
        for one in value if isinstance(value, list | tuple) else (value,):
            if isinstance(one, int | float) and not abs(one) <= limit:
                raise EncoderError(f"{where}: {key[:60]} is {str(one)[:20]}, and at most {limit:,} is taken")
            if isinstance(one, str) and len(one) > _MAX_NAME:
                raise EncoderError(f"{where}: {key[:60]} is a text of {len(one)} characters")
            if isinstance(one, list | tuple):
                raise EncoderError(f"{where}: {key[:60]} is a list of lists")
    return options


def _is_listed_tokenizer(named: object) -> bool:
    if not isinstance(named, str):
        return False
    plain = named.removesuffix("Fast").removesuffix("Tokenizer")
    return named in _PLAIN_TOKENIZERS or ("Tokenizer" in named and plain in _TOKENIZERS)
