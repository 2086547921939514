"""Folders are replaced and deleted by the list of what framegate wrote there, and by nothing else."""

import json
from pathlib import Path

import pytest

from framegate.media.files import folder_aside, write_text
from framegate.media.owned import (
    MARKER,
    MODELS,
    NotOursError,
    delete_listed,
    mark,
    put_in_place,
    refuse_foreign,
)


def export(folder: Path, *names: str) -> None:
    with folder_aside(folder) as aside:
        for name in names:
            write_text(aside / name, "ours")
        put_in_place(aside, folder, kind="backbone", kinds=MODELS)


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def test_an_export_takes_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    export(tmp_path / "out", "config.json", "sound/a.json")
    said = json.loads((tmp_path / "out" / MARKER).read_text())
    assert (said["kind"], said["files"], said["folders"]) == ("backbone", ["config.json", "sound/a.json"], ["sound"])
    export(tmp_path / "out", "model.onnx")
    assert names(tmp_path / "out") == {MARKER, "model.onnx"}
    assert names(tmp_path) == {"out", f"out/{MARKER}", "out/model.onnx"}


@pytest.mark.parametrize("name", ["other.onnx", "sound/a.wav", ".env", "sound/deep/x", "notes"])
def test_whatever_is_not_listed_is_refused_by_its_name(tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    export(out, "config.json", "sound/a.json")
    if name == "notes":
        (out / name).mkdir()
    else:
        write_text(out / name, "mine")
    before = names(out)
    first = "sound/deep" if name == "sound/deep/x" else name
    with pytest.raises(NotOursError, match=f"out holds {first}, which no export wrote"):
        export(out, "config.json")
    assert names(out) == before
    assert names(tmp_path) == {"out", *(f"out/{inner}" for inner in before)}


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "README.md", "x.onnx", "taxonomy.csv"])
def test_a_persons_folder_with_a_name_that_exports_use_is_refused(tmp_path: Path, name: str) -> None:
    write_text(tmp_path / "out" / name, "mine")
    with pytest.raises(NotOursError, match=f"out holds {name}"):
        export(tmp_path / "out", "config.json")
    assert (tmp_path / "out" / name).read_text() == "mine"


def test_links_and_files_are_no_folders_of_ours(tmp_path: Path) -> None:
    write_text(tmp_path / "mine" / "config.json", "mine")
    (tmp_path / "link").symlink_to("mine")
    with pytest.raises(NotOursError, match="link is a link"):
        export(tmp_path / "link", "config.json")
    with pytest.raises(NotOursError, match="is a file"):
        export(tmp_path / "mine" / "config.json", "x")
    export(tmp_path / "out", "config.json", "model.safetensors")
    (tmp_path / "out" / "config.json").unlink()
    (tmp_path / "out" / "config.json").symlink_to(tmp_path / "mine" / "config.json")
    with pytest.raises(NotOursError, match=r"out holds config\.json"):  # a file was written, and a link is there
        export(tmp_path / "out", "config.json")
    assert (tmp_path / "mine" / "config.json").read_text() == "mine"


def test_the_list_of_a_stranger_reaches_nothing_outside(tmp_path: Path) -> None:
    write_text(tmp_path / "mine" / "thesis", "mine")
    out = tmp_path / "out"
    out.mkdir()
    (out / "inside").symlink_to(tmp_path / "mine")
    listed = ["../mine/thesis", str(tmp_path / "mine" / "thesis"), "inside/thesis"]
    content = {"framegate": "1", "kind": "backbone", "files": listed, "links": ["inside"], "folders": ["inside", ".."]}
    write_text(out / MARKER, json.dumps(content))
    export(out, "config.json")
    assert (tmp_path / "mine" / "thesis").read_text() == "mine"
    assert names(out) == {MARKER, "config.json"}


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", "[" * 100_000, '{"kind": "demo", "files": ["a"], "links": [], "folders": []}', "\xff"]
)
def test_a_marker_that_is_damaged_or_of_another_kind_lists_nothing(tmp_path: Path, content: str) -> None:
    out = tmp_path / "out"
    write_text(out / "a", "mine")
    (out / MARKER).write_text(content, "latin-1")
    with pytest.raises(NotOursError, match="out holds a"):
        refuse_foreign(out, kinds=MODELS)
    assert not delete_listed(out, kinds=MODELS)
    assert (out / "a").exists()


def test_what_appears_while_a_folder_is_replaced_is_kept_and_named(tmp_path: Path, monkeypatch, caplog) -> None:
    out = tmp_path / "out"
    export(out, "config.json")

    def late(folder: Path, **_: object) -> None:
        write_text(folder / "thesis", "mine")

    monkeypatch.setattr("framegate.media.owned.refuse_foreign", late)  # it comes after the check
    export(out, "config.json", "model.safetensors")
    assert names(out) == {MARKER, "config.json", "model.safetensors"}
    (kept,) = tmp_path.glob(".out.*.old")
    assert names(kept) == {"thesis"}
    assert str(kept) in caplog.text


def test_a_list_may_be_of_some_entries_alone(tmp_path: Path) -> None:
    for name in ("store/a", "mine/b", "c"):
        write_text(tmp_path / name, "x")
    mark(tmp_path, kind="demo", among=("store", "runs"))
    with pytest.raises(NotOursError, match="holds c, which no demo wrote"):
        refuse_foreign(tmp_path, kinds=("demo",), writer="demo")
    delete_listed(tmp_path, kinds=("demo",))
    assert names(tmp_path) == {"mine", "mine/b", "c"}
