"""A classifier's folder: what is saved answers the same, and what is no classifier, or half of one, is refused."""

import os
import shutil
from functools import partial

import pytest
import torch
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.utils import filter_repo_objects

from framegate.finetune.classifier import GatedFusionClassifier
from framegate.finetune.folders.classifier_folder import FolderError, push_classifier
from framegate.finetune.folders.clip_sampling import Sampling
from framegate.finetune.streams.prepare import ClipInput
from framegate.finetune.taxonomy.taxonomy import TaxonomyError
from framegate.media import ExtractOptions
from tests.finetune.small_classifier import TAXONOMY, clip, make_batch, make_model


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def test_a_saved_model_answers_the_same(tmp_path):
    model = make_model()
    batch = make_batch(model)
    model.train()(batch)  # running statistics that are not the initial ones
    model.count_labels(batch.labels)
    model.eval().save_pretrained(tmp_path / "classifier")
    again = GatedFusionClassifier.from_pretrained(tmp_path / "classifier")
    assert again.config == model.config
    assert again.taxonomy == TAXONOMY
    torch.testing.assert_close(again(batch).log_probs, model(batch).log_probs, rtol=0, atol=0)
    torch.testing.assert_close(again.counts, model.counts)
    clips = [clip(), ClipInput(text="今天")]
    for one, other in zip(again.predict(clips), model.predict(clips), strict=True):
        assert one.as_json(embedding=True) == other.as_json(embedding=True)
    assert {p.name for p in (tmp_path / "classifier").iterdir()} == {
        "config.json",
        "model.safetensors",
        "taxonomy.csv",
        "preprocessing.json",
        "tokenizer",
    }


def test_a_saved_model_knows_how_its_clips_are_taken(tmp_path):
    model = make_model(streams=(2,))
    model.sampling = Sampling(frames=3, audio_seconds=1.5, extraction=ExtractOptions(every=0.5), layout=False)
    model.save_pretrained(tmp_path)
    assert GatedFusionClassifier.from_pretrained(tmp_path).sampling == model.sampling


def test_a_folder_of_an_older_version_that_does_not_tell_it_opens_with_the_defaults_and_a_warning(tmp_path, caplog):
    make_model(streams=(2,)).save_pretrained(tmp_path)
    assert not caplog.records
    (tmp_path / "preprocessing.json").unlink()
    assert GatedFusionClassifier.from_pretrained(tmp_path).sampling == Sampling()
    assert "no preprocessing.json in it: taking 16 frames and 10 s of sound" in caplog.text


@pytest.mark.parametrize("wrong", [{"frames": 0}, {"audio_seconds": -1.0}, {"seconds": 1.0}])
def test_a_sampling_that_no_reader_would_take_is_refused_when_it_is_made(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Sampling(**wrong)


def test_a_classifier_goes_to_the_hub_and_comes_back(tmp_path, monkeypatch):
    """The hub is a cache folder here; what is uploaded is laid out as its client lays out downloads."""
    cache, revision = tmp_path / "cache", "0" * 40

    def upload_folder(self, *, folder_path, repo_id, commit_message, allow_patterns):
        home = cache / f"models--{repo_id.replace('/', '--')}"
        names = [path.relative_to(folder_path).as_posix() for path in folder_path.rglob("*") if path.is_file()]
        for name in filter_repo_objects(names, allow_patterns=allow_patterns):
            (home / "snapshots" / revision / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder_path / name, home / "snapshots" / revision / name)
        (home / "refs").mkdir()
        (home / "refs" / "main").write_text(revision)
        return f"https://hub/{repo_id}"

    monkeypatch.setattr(HfApi, "create_repo", lambda self, name, **options: None)
    monkeypatch.setattr(HfApi, "repo_exists", lambda self, name: False)
    monkeypatch.setattr(HfApi, "upload_folder", upload_folder)
    offline = partial(snapshot_download, cache_dir=cache, local_files_only=True)
    monkeypatch.setattr("framegate.finetune.folders.classifier_folder.snapshot_download", offline)
    model = make_model(streams=(2,))
    model.eval().save_pretrained(tmp_path / "classifier")
    (tmp_path / "classifier" / ".env").write_text("SECRET=1")
    (tmp_path / "classifier" / "tokenizer" / "notes.docx").write_text("mine")
    assert push_classifier(tmp_path / "classifier", "someone/news") == "https://hub/someone/news"
    uploaded = {path.name for path in cache.rglob("*")}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= uploaded
    assert not uploaded & {".env", "notes.docx"}
    again = GatedFusionClassifier.from_pretrained("hf-hub:someone/news")
    texts = [ClipInput(text="погода")]
    assert again.predict(texts)[0].as_json(embedding=True) == model.predict(texts)[0].as_json(embedding=True)
    with pytest.raises(FolderError, match="hf-hub:someone/else: "):
        GatedFusionClassifier.from_pretrained("hf-hub:someone/else")
    with pytest.raises(FolderError, match="no classifier to push"):
        push_classifier(tmp_path, "someone/news")


def test_a_public_repository_gets_nothing_unless_the_user_agrees(tmp_path, monkeypatch):
    asked, uploaded = [], []

    class Public:
        private = False

    def upload_folder(self, **what):
        uploaded.append(what["repo_id"])
        return "https://hub/someone/news"

    monkeypatch.setattr(HfApi, "repo_exists", lambda self, name: True)
    monkeypatch.setattr(HfApi, "repo_info", lambda self, name: Public())
    monkeypatch.setattr(HfApi, "create_repo", lambda self, name, **options: None)
    monkeypatch.setattr(HfApi, "upload_folder", upload_folder)
    make_model(streams=(2,)).save_pretrained(tmp_path)
    for confirm in (None, lambda question: asked.append(question)):
        with pytest.raises(FolderError, match="hf-hub:someone/news is public, and nothing was uploaded: say --public"):
            push_classifier(tmp_path, "someone/news", confirm=confirm)
    assert uploaded == []
    assert "someone/news is public: everybody will see" in asked[0]
    push_classifier(tmp_path, "someone/news", confirm=lambda question: True)
    assert uploaded == ["someone/news"]


def test_a_link_in_the_place_of_a_file_is_not_uploaded(tmp_path):
    secret = tmp_path / "id_rsa"
    secret.write_text("secret")
    make_model(streams=(2,)).save_pretrained(tmp_path / "classifier")
    (tmp_path / "classifier" / "README.md").symlink_to(secret)
    with pytest.raises(FolderError, match=r"README\.md is a link"):
        push_classifier(tmp_path / "classifier", "someone/news")


def test_a_folder_without_a_classifier_is_refused(tmp_path):
    with pytest.raises(FolderError, match=r"no config\.json"):
        GatedFusionClassifier.from_pretrained(tmp_path)


@pytest.mark.parametrize("damaged", ["config.json", "model.safetensors", "taxonomy.csv", "tokenizer"])
def test_a_folder_with_a_damaged_or_missing_part_is_refused_by_its_name(damaged, tmp_path):
    make_model(streams=(2,)).save_pretrained(tmp_path)
    part = tmp_path / damaged
    if part.is_file():
        part.write_bytes(b"\xff rubbish" * 9)
        with pytest.raises((FolderError, TaxonomyError), match=damaged):
            GatedFusionClassifier.from_pretrained(tmp_path)
        part.unlink()
    else:
        shutil.rmtree(part)
    with pytest.raises(FolderError, match=f"no {damaged} in it"):
        GatedFusionClassifier.from_pretrained(tmp_path)


def test_another_classifiers_weights_are_refused(tmp_path):
    for name, streams in (("text", (2,)), ("sound", (1,))):
        make_model(streams=streams).save_pretrained(tmp_path / name)
    shutil.copy(tmp_path / "sound" / "model.safetensors", tmp_path / "text")
    with pytest.raises(FolderError, match=r"text.model\.safetensors: .*Missing key"):
        GatedFusionClassifier.from_pretrained(tmp_path / "text")


def test_others_may_read_what_they_may_read_of_new_files(tmp_path):
    before = os.umask(0o027)
    try:
        make_model(streams=(2,)).save_pretrained(tmp_path / "classifier")
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "classifier").iterdir() if path.is_file()}
    assert set(modes.values()) == {0o640}, modes
