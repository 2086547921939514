import json
import os
from pathlib import Path

import pytest

from framegate.media.manifest.file_clips import clips_from_files
from framegate.media.manifest.manifest import ManifestError, read_manifest, split_labels


def write(folder: Path, text: str, name: str = "clips.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_row_becomes_a_clip_with_its_paths_resolved_and_unknown_columns_kept(tmp_path: Path) -> None:
    path = write(tmp_path, "id,video,audio,title,start,end,mood\na,v/one.mp4,-,Überschrift,1.5,3,calm\n")
    (clip,) = read_manifest(path)
    assert clip.video == tmp_path.resolve() / "v/one.mp4"
    assert (clip.audio, clip.own_audio) == (None, False)
    assert (clip.title, clip.start, clip.end, clip.extra, clip.line) == ("Überschrift", 1.5, 3.0, {"mood": "calm"}, 2)
    assert (clip.programme, clip.split) == ("v/one.mp4", "train")


def test_json_lines_say_the_same_as_csv(tmp_path: Path) -> None:
    rows = [{"id": "a", "video": "x.mp4", "start": 1, "end": None}, {"id": "b", "title": "t", "label": ["u", "v"]}]
    first, second = read_manifest(write(tmp_path, "\n".join(map(json.dumps, rows)), "clips.jsonl"))
    assert (first.start, first.end, second.label, second.line) == (1.0, None, "u|v", 2)


def test_half_a_character_is_refused_where_json_spells_one(tmp_path: Path) -> None:
    path = write(
        tmp_path, '{"id": "a", "title": "ok \\ud83d\\ude00"}\n{"id": "b", "title": "x", "mood": "\\ud83d"}', "c.jsonl"
    )
    with pytest.raises(ManifestError) as error:
        read_manifest(path)
    assert len(error.value.problems) == 1
    assert error.value.problems[0].startswith(f"{path}:2: column 'mood'")
    error.value.problems[0].encode()


def test_every_bad_row_is_named_with_its_line_and_the_nearest_valid_value(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "id,video,title,split,start,end,label\n"
        'a,,"two\nlines",train,,,\n'
        "a,x.mp4,,,,,\n"
        "b c,x.mp4,,,,,\n"
        "d,x.mp4,,trian,,,\n"
        "e,x.mp4,,,5,3,\n"
        "f,,,,,,\n"
        "g,../x.mp4,,,,,\n"
        "h,http://example.org/x.mp4,,,,,\n"
        "i,x.mp4,,,-1,,\n"
        "j,x.mp4,,,,,news/wether\n",
    )

    def check(label: str) -> str | None:
        return None if label == "news/weather" else f"label {label!r} is not in the taxonomy (nearest: 'news/weather')"

    with pytest.raises(ManifestError) as error:
        read_manifest(path, check_label=check)
    said = dict(problem.removeprefix(f"{path}:").split(": ", 1) for problem in error.value.problems)
    assert said["4"] == "duplicate id 'a', first on line 2 (nearest: 'a-2')"
    assert "'b_c'" in said["5"]
    assert "'train'" in said["6"]
    assert "end 3 is not after start 5" in said["7"]
    assert "needs a video" in said["8"]
    assert "leads out of the manifest's folder" in said["9"]
    assert "is an address" in said["10"]
    assert "(nearest: 1)" in said["11"]
    assert "'news/weather'" in said["12"]
    assert len(said) == 9


@pytest.mark.parametrize("name", ["concat:a.mp4|b.mp4", "file:/etc/passwd", "tcp://localhost:80", "/dev/zero", "pipe:"])
def test_only_local_files_inside_the_folder_may_be_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ManifestError):
        read_manifest(write(tmp_path, f"id,video\na,{name}\n"))


def test_devices_are_refused_even_where_outside_is_allowed(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="device"):
        read_manifest(write(tmp_path, "id,video\na,/dev/zero\n"), allow_outside=True)


def test_links_out_of_the_folder_are_refused_unless_allowed(tmp_path: Path) -> None:
    inside = tmp_path / "in"
    inside.mkdir()
    (tmp_path / "secret.mp4").write_bytes(b"")
    (inside / "link.mp4").symlink_to(tmp_path / "secret.mp4")
    path = write(inside, "id,video\na,link.mp4\n")
    with pytest.raises(ManifestError, match="leads out"):
        read_manifest(path)
    (clip,) = read_manifest(path, allow_outside=True)
    assert clip.video == (tmp_path / "secret.mp4").resolve()


@pytest.mark.parametrize("text", ["", "video\nx.mp4\n", "id,id\na,b\n", "id\n", 'id,title\na,"open'])
def test_what_is_no_manifest_is_one_clear_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(ManifestError, match=r"clips\.csv"):
        read_manifest(write(tmp_path, text))


def test_programmes_never_cross_splits_and_every_split_has_one(tmp_path: Path) -> None:
    rows = "".join(f"c{i},x{i}.mp4,p{i % 20}\n" for i in range(200))
    clips = read_manifest(write(tmp_path, "id,video,programme\n" + rows), seed=3)
    by_split = {split: {c.programme for c in clips if c.split == split} for split in ("train", "val", "test")}
    assert {split: len(names) for split, names in by_split.items()} == {"train": 14, "val": 3, "test": 3}
    assert sum(map(len, by_split.values())) == 20
    again = read_manifest(tmp_path / "clips.csv", seed=3)
    assert [c.split for c in again] == [c.split for c in clips]
    assert [c.split for c in read_manifest(tmp_path / "clips.csv", seed=4)] != [c.split for c in clips]


def test_files_without_a_manifest_are_clips_named_after_them(tmp_path: Path) -> None:
    clips = clips_from_files([tmp_path / "Böse Datei.mp4", tmp_path / "x" / "a.mp4", tmp_path / "a.mkv"])
    assert [clip.id for clip in clips] == ["Böse_Datei.mp4", "a.mp4", "a.mkv"]


def test_a_file_whose_name_is_not_utf8_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    latin = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4"))
    with pytest.raises(ManifestError, match=r"udce9\.mp4': its name is not UTF-8"):
        clips_from_files([tmp_path / "a.mp4", latin])


def test_several_labels_are_read_without_the_space_around_them(tmp_path: Path) -> None:
    seen = []
    (tmp_path / "clips.csv").write_text("id,title,label\na,A, news | sport |\nb,B,news\nc,C,\n", encoding="utf-8")
    clips = read_manifest(tmp_path / "clips.csv", check_label=lambda label: seen.append(label))
    assert [clip.label for clip in clips] == ["news|sport", "news", ""]
    assert seen == ["news", "sport", "news"]
    assert split_labels(clips[0].label) == ["news", "sport"]
    assert split_labels("") == []


def test_a_picture_folder_that_holds_a_link_out_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"")
    folder = tmp_path / "data" / "pictures"
    folder.mkdir(parents=True)
    (folder / "a.png").write_bytes(b"")
    (folder / "inside.png").symlink_to(folder / "a.png")
    manifest = tmp_path / "data" / "clips.csv"
    manifest.write_text("id,video\na,pictures\n")
    read_manifest(manifest)
    (folder / "b.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(ManifestError, match=r"a link out of the manifest's folder.*'b\.png'"):
        read_manifest(manifest)
    assert len(read_manifest(manifest, allow_outside=True)) == 1
