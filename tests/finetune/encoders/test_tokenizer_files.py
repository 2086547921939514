"""Tokenizers of strangers: of known kinds, of this folder's files, and within their encoder's vocabulary."""

import json

import pytest

from framegate.finetune.classifier import GatedFusionClassifier
from framegate.finetune.encoders.hub import EncoderError
from framegate.finetune.folders.classifier_folder import FolderError
from framegate.finetune.streams.prepare import ClipInput
from tests.finetune.encoders.small_encoders import (
    edit,
)


@pytest.mark.parametrize(
    "changes",
    [
        {"tokenizer_class": "BertJapaneseTokenizer"},
        {"tokenizer_class": "LlamaTokenizer"},
        {"vocab_file": "/etc/passwd"},
        {"merges_file": "/etc/passwd"},
        {"gguf_file": "x.gguf"},
        {"fast_tokenizer_files": ["tokenizer.4.0.0.json"]},
        {"init_inputs": ["x"]},
        {"model_max_length": float("nan")},
    ],
)
def test_a_tokenizer_that_is_not_listed_or_names_other_files_is_refused(changes, copy_folder):
    folder = copy_folder("text")
    edit(folder / "tokenizer" / "tokenizer_config.json", **changes)
    with pytest.raises(
        FolderError, match=r"tokenizer_config\.json: .*" + (set(changes) - {"model_max_length"} or {"NaN"}).pop()
    ):
        GatedFusionClassifier.from_pretrained(folder)


def test_a_damaged_or_huge_tokenizer_is_a_plain_error(copy_folder):
    folder = copy_folder("text")
    file = folder / "tokenizer" / "tokenizer.json"
    for content in ("{", "[" * 100_000, '{"model": {"type": "Unigram", "unk_id": 7, "vocab": []}}'):
        file.write_text(content)
        with pytest.raises(FolderError) as caught:
            GatedFusionClassifier.from_pretrained(folder)
        assert "tokenizer" in str(caught.value)
        assert len(str(caught.value).splitlines()) == 1
    with file.open("wb") as opened:
        opened.truncate(33 << 20)
    with pytest.raises(FolderError, match=r"tokenizer\.json: larger than 32 MB"):
        GatedFusionClassifier.from_pretrained(folder)


def test_a_tokenizer_that_gives_up_over_a_text_is_a_plain_error(copy_folder):
    folder = copy_folder("text")
    file = folder / "tokenizer" / "tokenizer.json"
    content = json.loads(file.read_text())
    pattern = {"Regex": "(a+)+$"}
    content["pre_tokenizer"] = {"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": False}
    file.write_text(json.dumps(content))
    model = GatedFusionClassifier.from_pretrained(folder)
    with pytest.raises(EncoderError, match=r"tokenizer: .*retry-limit"):
        model.predict([ClipInput(text="a" * 100 + "!")])


@pytest.mark.parametrize("where", ["vocabulary", "template"])
def test_a_token_beyond_the_embedding_is_refused_before_a_text_meets_it(where, copy_folder):
    folder = copy_folder("text")
    file = folder / "tokenizer" / "tokenizer.json"
    content = json.loads(file.read_text())
    if where == "vocabulary":
        content["model"]["vocab"]["w"] = 1_000_000
    else:
        special = {"id": "[X]", "ids": [1_000_000], "tokens": ["[X]"]}
        part = [{"SpecialToken": {"id": "[X]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
        content["post_processor"] = {"type": "TemplateProcessing", "single": part, "pair": part}
        content["post_processor"]["special_tokens"] = {"[X]": special}
        content["post_processor"]["pair"] = [*part, {"Sequence": {"id": "B", "type_id": 0}}]
    file.write_text(json.dumps(content))
    with pytest.raises(FolderError, match=r"the tokenizer has a token 1,000,000, and its encoder knows \d+"):
        GatedFusionClassifier.from_pretrained(folder).predict([ClipInput(text="we")])
