"""`extract --dry-run` and `--encoding`, from the command line."""

import json
import subprocess
from pathlib import Path

import pytest

from framegate.recipes.cli import main


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
        raise SystemExit(0)
    return int(left.value.code or 0)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    film = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=64x64:r=5:d=1", "film.mp4"]
    subprocess.run(film, check=True)
    (tmp_path / "taxonomy.csv").write_text("id;parent;name\nn;;News\nw;n;天気\n", encoding="utf-8")
    return tmp_path


def test_a_dry_run_counts_everything_and_writes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (
        "id,video,audio,label,split\na,film.mp4,,News/天気,train\nb,flim.mp4,film.mp4,n,test\nc,film.mp4,none.wav,,\n"
    )
    (folder / "clips.csv").write_text(text + "d,gone.mp4,,,\n", encoding="utf-8")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert run("extract", "clips.csv", "--dry-run") == 0
    shown = capsys.readouterr().out
    assert "4 rows: all files of 1 can be opened, some of 2, none of 1; nothing was decoded or written" in shown
    assert "labels: 2 rows have one, 2 in all" in shown
    assert "'flim.mp4' is missing (nearest: 'film.mp4')" in shown
    assert all(len(line) < 300 for line in shown.splitlines())
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    assert run("extract", "clips.csv", "--dry-run", "--json", folder / "check.json") == 0
    values = json.loads((folder / "check.json").read_text(encoding="utf-8"))
    assert (values["rows"], values["ok"], values["partial"], values["failed"]) == (4, 1, 2, 1)
    assert [each["id"] for each in values["missing"]] == ["b", "c", "d"]
    assert sum(values["splits"].values()) == 4
    assert values["labels"] == {"News/天気": 1, "n": 1}


def test_a_dry_run_ends_as_the_extraction_would(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "clips.csv").write_text("id,video,label\na,film.mp4,nwes\na,../x.mp4,n\n")
    assert run("extract", "clips.csv", "--dry-run") == 2
    errors = capsys.readouterr().err.splitlines()
    assert [line.removeprefix("framegate: ").split(": ")[0] for line in errors] == [
        "clips.csv:2",
        "clips.csv:3",
        "clips.csv:3",
    ]
    (folder / "clips.csv").write_text("id,video\na,gone.mp4\nb,lost.mp4\n")
    assert run("extract", "clips.csv", "--dry-run") == 1
    assert not (folder / "store").exists()


def test_an_encoding_reads_the_manifest_and_the_store_keeps_its_taxonomy_in_utf8(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "clips.csv").write_bytes("id,video,title,label\na,film.mp4,今日,News/天気\n".encode("shift_jis"))
    (folder / "taxonomy.csv").write_bytes("id;parent;name\nn;;News\nw;n;天気\n".encode("shift_jis"))
    assert run("extract", "clips.csv") == 2
    assert "--encoding shift_jis" in capsys.readouterr().err
    assert run("extract", "clips.csv", "--encoding", "shift_jsi", "--dry-run") == 2
    assert "is no encoding of text (nearest: 'shift_jis')" in capsys.readouterr().err
    assert run("extract", "clips.csv", "--encoding", "shift_jis", "--no-layout", "--workers", "1") == 0
    assert (folder / "store" / "taxonomy.csv").read_text(encoding="utf-8").splitlines()[2] == "w,n,天気,"
