"""The user's key: made once, the same for all his processes, and nobody else's to read."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from framegate.ssl.probes.user_key import user_key


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The key's place in the user's cache, and the one among the temporary files."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    return tmp_path / "cache" / "framegate" / "key", tmp_path / "tmp" / f"framegate-{os.getuid()}" / "key"


def test_it_is_made_once_and_for_the_user_alone(places) -> None:
    before = os.umask(0)
    try:
        key = user_key()
    finally:
        os.umask(before)
    assert key is not None and len(key) == 32
    assert user_key() == key
    assert [path.name for path in places[0].parent.iterdir()] == ["key"]
    assert places[0].stat().st_mode & 0o777 == 0o600
    assert places[0].parent.stat().st_mode & 0o777 == 0o700
    assert not places[1].exists()


def test_of_many_that_make_it_at_once_all_get_the_same() -> None:
    with ThreadPoolExecutor(32) as pool:
        keys = set(pool.map(lambda _: user_key(), range(64)))
    assert len(keys) == 1


@pytest.mark.parametrize("how", ["readable", "short", "a link", "a pipe", "in a folder of all"])
def test_one_that_others_could_know_is_not_used(places, how: str, tmp_path: Path) -> None:
    place, other = places
    known = user_key()
    assert known is not None
    match how:
        case "readable":
            place.chmod(0o644)
        case "short":
            place.write_bytes(b"x")
        case "in a folder of all":
            place.parent.chmod(0o777)
        case "a link":
            place.rename(tmp_path / "theirs")
            place.symlink_to(tmp_path / "theirs")
        case "a pipe":
            place.unlink()
            os.mkfifo(place)
    key = user_key()
    assert key not in (None, known)
    assert other.read_bytes() == key == user_key()


def test_a_folder_among_the_temporary_files_that_somebody_else_made_is_not_used(places, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("no cache here")
    places[1].parent.symlink_to(tmp_path)
    assert user_key() is None
