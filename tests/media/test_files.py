"""Files are written aside and renamed; what stands in the way, links above all, is neither followed nor lost."""

import os
from pathlib import Path

import pytest

from framegate.media.files import (
    append_text,
    file_aside,
    folder_aside,
    name_aside,
    new_file,
    replace_folder,
    write_bytes,
    write_text,
)


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A file of the user's, to which a stranger's links lead."""
    file = tmp_path / "mine"
    file.write_text("precious")
    return file


def test_a_link_in_the_place_of_a_file_is_replaced_and_not_written_through(tmp_path: Path, mine: Path) -> None:
    (tmp_path / "d.json").symlink_to(mine)
    write_text(tmp_path / "d.json", "{}")
    assert mine.read_text() == "precious"
    assert (tmp_path / "d.json").read_text() == "{}"
    assert not (tmp_path / "d.json").is_symlink()


def test_a_link_in_the_place_of_a_part_file_is_not_written_through(tmp_path: Path, mine: Path, monkeypatch) -> None:
    part = tmp_path / ".d.json.00000000.part"
    part.symlink_to(mine)
    monkeypatch.setattr("secrets.token_hex", lambda count: "0" * 2 * count)  # as if the stranger had guessed it
    with pytest.raises(FileExistsError):
        write_text(tmp_path / "d.json", "{}")
    assert mine.read_text() == "precious"
    assert part.is_symlink()  # it is not ours to delete
    for _ in range(2):
        (tmp_path / f".{_}.part").symlink_to(mine)  # names of earlier versions
        write_text(tmp_path / str(_), "{}")
    assert mine.read_text() == "precious"


def test_names_aside_cannot_be_guessed_and_fit_the_file_system(tmp_path: Path) -> None:
    assert len({name_aside(tmp_path / "x", "part") for _ in range(100)}) == 100
    write_text(tmp_path / ("名" * 84), "a name of 252 bytes")


def test_a_new_file_takes_the_place_of_what_a_dead_process_left_and_of_links(tmp_path: Path, mine: Path) -> None:
    (tmp_path / "a").symlink_to(mine)
    (tmp_path / "b").write_text("half")
    (tmp_path / "c").symlink_to(tmp_path / "nowhere")
    for name in "abc":
        with new_file(tmp_path / name) as file:
            file.write(b"whole")
        assert (tmp_path / name).read_bytes() == b"whole"
    assert mine.read_text() == "precious"
    assert not (tmp_path / "nowhere").exists()


def test_a_failure_leaves_the_older_file_and_no_part(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "old")
    with pytest.raises(KeyboardInterrupt), file_aside(tmp_path / "a") as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "old")]
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_bytes(tmp_path / "folder", b"x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "folder"]


def test_lines_are_appended_to_ordinary_files_alone(tmp_path: Path, mine: Path) -> None:
    for line in ("a\n", "b\n"):
        append_text(tmp_path / "log", line)
    assert (tmp_path / "log").read_text() == "a\nb\n"
    (tmp_path / "link").symlink_to(mine)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "dangling", "pipe"):
        with pytest.raises(OSError, match=name):
            append_text(tmp_path / name, "a\n")
    assert mine.read_text() == "precious"
    assert not (tmp_path / "nowhere").exists()


def test_files_and_folders_get_the_modes_that_the_umask_lets(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "a", "x")
        append_text(tmp_path / "b", "x")
        with folder_aside(tmp_path / "c") as aside:
            replace_folder(aside, tmp_path / "c")
    finally:
        os.umask(before)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in "abc"] == [0o640, 0o640, 0o750]


def test_a_replaced_folder_is_moved_and_one_that_fails_is_gone(tmp_path: Path) -> None:
    for content in ("old", "new"):
        with folder_aside(tmp_path / "folder") as aside:
            write_text(aside / "file", content)
            old = replace_folder(aside, tmp_path / "folder")
    assert old is not None
    assert (old / "file").read_text() == "old"
    assert (tmp_path / "folder" / "file").read_text() == "new"
    with pytest.raises(ValueError, match="no"), folder_aside(tmp_path / "folder") as aside:
        write_text(aside / "file", "half")
        raise ValueError("no")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([old.name, "folder"])
