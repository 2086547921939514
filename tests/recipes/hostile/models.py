"""What a stranger may do to a classifier or a backbone folder: each function harms a copy of a valid one."""

import json
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

CODE = "import pathlib\npathlib.Path(__file__).with_name('it-ran').touch()\nclass Stranger: pass\n"


def _edit(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(file.read_text()) if file.exists() else {}
    change(content)
    file.write_text(json.dumps(content))


def _architecture(config: dict[str, Any], name: str) -> None:
    config["backbone" if "backbone" in config else "pretrained_cfg"]["architecture"] = name
    config["architecture"] = name


def an_architecture_of_the_hub(folder: Path) -> None:
    _edit(folder / "config.json", lambda config: _architecture(config, "hf-hub:stranger/model"))


def an_architecture_of_gigabytes(folder: Path) -> None:
    _edit(folder / "config.json", lambda config: _architecture(config, "vit_giant_patch14_224"))


def weights_to_be_fetched(folder: Path) -> None:
    def change(config: dict[str, Any]) -> None:
        cfg = config.setdefault("pretrained_cfg", {})
        cfg |= {"hf_hub_id": "stranger/model", "url": "http://stranger.example/a.bin", "file": "/etc/passwd"}
        config["model_args"] = {"pretrained": True, "checkpoint_path": "/etc/passwd", "cache_dir": "/etc"}

    _edit(folder / "config.json", change)


def pictures_of_30000_pixels(folder: Path) -> None:
    def change(config: dict[str, Any]) -> None:
        if "backbone" in config:
            config["backbone"]["image_size"] = 30_000
        else:
            config["pretrained_cfg"] |= {"input_size": [3, 30_000, 30_000], "test_input_size": [3, 30_000, 30_000]}

    _edit(folder / "config.json", change)


def audio_that_fills_the_memory(folder: Path) -> None:
    def change(config: dict[str, Any]) -> None:
        config["config"]["streams"]["audio"] |= {"rate": 999_983, "window_seconds": 1e6, "mels": 1 << 20}

    _edit(folder / "config.json", change)


def sizes_without_end(folder: Path) -> None:
    def change(config: dict[str, Any]) -> None:
        config["config"]["fusion"]["width"] = 1 << 20
        config["config"]["streams"]["text"] |= {"layers": 10_000, "width": 1 << 16, "max_tokens": 1 << 30}

    _edit(folder / "config.json", change)


def a_valid_backbone_of_the_hub(folder: Path) -> None:
    def change(config: dict[str, Any]) -> None:
        config["config"]["streams"]["audio"]["backbone"] = "hf-hub:stranger/model"

    _edit(folder / "config.json", change)


def a_text_encoder_that_asks_for_code(folder: Path) -> None:
    def change(config: dict[str, Any]) -> None:
        config["text_encoder"] = {
            "model_type": "detr",
            "use_timm_backbone": False,
            "backbone": "stranger/model",
            "backbone_kwargs": {"trust_remote_code": True},
        }

    _edit(folder / "config.json", change)


def attention_of_the_hub(folder: Path) -> None:
    def change(config: dict[str, Any]) -> None:
        config["text_encoder"] = {"model_type": "bert", "_attn_implementation_internal": "stranger/kernel"}
        config["text_encoder"] |= {"attn_implementation": "stranger/kernel", "hidden_size": 32}

    _edit(folder / "config.json", change)


def a_tokenizer_with_code(folder: Path) -> None:
    (folder / "tokenizer" / "stranger.py").write_text(CODE)
    names = {"AutoTokenizer": ["stranger.Stranger", "stranger.Stranger"]}
    _edit(
        folder / "tokenizer" / "tokenizer_config.json", lambda c: c.update(auto_map=names, tokenizer_class="Stranger")
    )


def a_tokenizer_that_writes_where_it_says(folder: Path) -> None:
    """By its chat templates, whose names become files when the tokenizer is saved."""
    templates = [{"name": "../../../owned", "template": "x"}, {"name": "default", "template": "y"}]
    _edit(folder / "tokenizer" / "tokenizer_config.json", lambda c: c.update(chat_template=templates))


def a_tokenizer_with_numbers_out_of_its_vocabulary(folder: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        vocabulary = content["model"]["vocab"]
        for number, token in enumerate(list(vocabulary)):
            vocabulary[token] = number + 5_000_000

    _edit(folder / "tokenizer" / "tokenizer.json", change)


def limits_of_its_own(folder: Path) -> None:
    own = {"timeout": 1e12, "memory_mb": 1 << 30, "max_pixels": 1 << 60, "size": 1 << 30}
    (folder / "preprocessing.json").write_text(
        json.dumps({"frames": 1 << 40, "audio_seconds": 1e12, "extraction": own})
    )


def nested_texts(folder: Path) -> None:
    (folder / "config.json").write_text('{"config": ' + "[" * 500_000)


def a_taxonomy_of_ten_thousand_levels(folder: Path) -> None:
    rows = "".join(f"n{level},{f'n{level - 1}' if level else ''},node {level}\n" for level in range(10_000))
    (folder / "taxonomy.csv").write_text("id,parent,name\n" + rows)


def weights_with_a_header_of_claims(folder: Path) -> None:
    header = json.dumps({"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)


def weights_with_a_header_of_gigabytes(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", 1 << 40) + b"{" * 1000)


def weights_of_noise(folder: Path) -> None:
    file = folder / "model.safetensors"
    data = bytearray(file.read_bytes())
    random_ = random.Random(0)
    for _ in range(50):
        data[random_.randrange(min(len(data), 4000))] = random_.randrange(256)
    file.write_bytes(data)


def a_card_of_half_a_million_blocks(folder: Path) -> None:
    (folder / "README.md").write_text("```python\n" * 500_000)


def secrets_and_links_beside(folder: Path) -> None:
    (folder / ".env").write_text("TOKEN=secret\n")
    (folder / "notes.onnx").write_text("mine")
    (folder / "vocab.json").symlink_to("/etc/passwd")


def weights_that_are_a_link(folder: Path) -> None:
    away = folder.parent / f"away-{folder.name}"
    (folder / "model.safetensors").rename(away)
    (folder / "model.safetensors").symlink_to(away)


OF_BACKBONES = (
    an_architecture_of_the_hub,
    an_architecture_of_gigabytes,
    weights_to_be_fetched,
    pictures_of_30000_pixels,
    nested_texts,
    weights_with_a_header_of_claims,
    weights_with_a_header_of_gigabytes,
    weights_of_noise,
    a_card_of_half_a_million_blocks,
    secrets_and_links_beside,
    weights_that_are_a_link,
)
OF_CLASSIFIERS = (
    *OF_BACKBONES,
    audio_that_fills_the_memory,
    sizes_without_end,
    a_valid_backbone_of_the_hub,
    a_text_encoder_that_asks_for_code,
    attention_of_the_hub,
    a_tokenizer_with_code,
    a_tokenizer_that_writes_where_it_says,
    a_tokenizer_with_numbers_out_of_its_vocabulary,
    limits_of_its_own,
    a_taxonomy_of_ten_thousand_levels,
)
