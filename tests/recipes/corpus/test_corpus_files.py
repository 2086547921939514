"""The corpus on disk: what the files hold, that a seed decides them, and what is refused."""

import ast
import csv
from pathlib import Path

import av
import numpy as np
import pytest

import framegate.recipes.corpus as package
from framegate.media.manifest.manifest import read_manifest
from framegate.recipes.corpus import CorpusSummary, FolderTakenError, make_corpus
from framegate.recipes.corpus.leaves import LEAVES

CLIPS = 18  # every leaf, and two leaves twice


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> CorpusSummary:
    return make_corpus(tmp_path_factory.mktemp("corpus") / "small", clips=CLIPS, seed=5, workers=1)


def rows_of(corpus: CorpusSummary) -> list[dict[str, str]]:
    with corpus.manifest.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def decode_pictures(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def decode_audio(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])


# The files


def test_files_are_h264_and_aac_of_three_to_eight_seconds(corpus: CorpusSummary) -> None:
    tracks = 0
    for row in rows_of(corpus):
        with av.open(str(corpus.folder / row["video"])) as container:
            video = container.streams.video[0]
            assert video.codec_context.name == "h264"
            assert (video.codec_context.width, video.codec_context.height) == (256, 144)
            assert container.duration is not None
            assert 3 <= container.duration / av.time_base <= 8
            for track in container.streams.audio:
                tracks += 1
                assert track.codec_context.name == "aac"
                assert track.duration is not None
                assert float(track.duration * track.time_base) == pytest.approx(
                    float(video.duration * video.time_base), abs=0.1
                )
    assert corpus.clips - corpus.without_audio <= tracks < corpus.clips


def test_there_is_a_keyframe_every_second(corpus: CorpusSummary) -> None:
    with av.open(str(corpus.folder / "videos/clip-00000.mp4")) as container:
        times = [float(p.pts * p.time_base) for p in container.demux(video=0) if p.is_keyframe and p.pts is not None]
    assert times == pytest.approx(np.arange(len(times)))
    assert len(times) >= 3


def test_pictures_move_and_audio_is_not_silence(corpus: CorpusSummary) -> None:
    for row in rows_of(corpus)[::3]:
        pictures = decode_pictures(corpus.folder / row["video"]).astype(float)
        assert np.abs(np.diff(pictures, axis=0)).mean() > 0.3
        assert pictures.std() > 10
        with av.open(str(corpus.folder / row["video"])) as container:
            has_track = bool(container.streams.audio)
        if has_track:
            audio = decode_audio(corpus.folder / row["video"])
            assert np.sqrt(np.mean(audio**2)) > 0.01
            assert np.abs(audio).max() <= 1.1


def test_the_manifest_and_the_taxonomy_are_what_they_promise(corpus: CorpusSummary) -> None:
    clips = read_manifest(corpus.manifest)
    assert [clip.label for clip in clips] == [LEAVES[number % len(LEAVES)].id for number in range(CLIPS)]
    assert all(clip.video is not None and clip.video.is_file() for clip in clips)
    assert sum(not clip.own_audio for clip in clips) > 0
    with corpus.taxonomy.open(encoding="utf-8", newline="") as file:
        nodes = list(csv.DictReader(file))
    assert list(nodes[0]) == ["id", "parent", "name", "definition"]
    assert all(node["parent"] == "" or node["parent"] in {other["id"] for other in nodes} for node in nodes)


# A seed decides it all


def test_the_same_seed_gives_the_same_bytes_whatever_the_number_of_workers(
    corpus: CorpusSummary, tmp_path: Path
) -> None:
    again = make_corpus(tmp_path / "again", clips=CLIPS, seed=5, workers=2)
    assert again.manifest.read_bytes() == corpus.manifest.read_bytes()
    assert again.taxonomy.read_bytes() == corpus.taxonomy.read_bytes()
    for row in rows_of(corpus)[::6]:
        assert np.array_equal(
            decode_pictures(again.folder / row["video"]), decode_pictures(corpus.folder / row["video"])
        )
    assert np.array_equal(
        decode_audio(again.folder / "videos/clip-00001.mp4"), decode_audio(corpus.folder / "videos/clip-00001.mp4")
    )


def test_another_seed_gives_another_corpus(corpus: CorpusSummary, tmp_path: Path) -> None:
    other = make_corpus(tmp_path / "other", clips=1, seed=6, workers=1)
    mine, theirs = (decode_pictures(made.folder / "videos/clip-00000.mp4") for made in (corpus, other))
    assert mine.shape != theirs.shape or not np.array_equal(mine, theirs)
    assert rows_of(other)[0]["title"] != rows_of(corpus)[0]["title"]


# Where it may be written


def test_the_very_corpus_is_left_as_it_is(corpus: CorpusSummary) -> None:
    video = corpus.folder / "videos/clip-00000.mp4"
    before = video.stat().st_mtime_ns
    again = make_corpus(corpus.folder, clips=CLIPS, seed=5)
    assert video.stat().st_mtime_ns == before
    assert (again.splits, again.without_text) == (corpus.splits, corpus.without_text)


def test_a_folder_with_something_else_in_it_is_refused_and_untouched(corpus: CorpusSummary, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("three years of work")
    with pytest.raises(FolderTakenError, match="name another folder"):
        make_corpus(tmp_path, clips=1)
    with pytest.raises(FolderTakenError, match=r"18 clips with seed 6"):
        make_corpus(corpus.folder, clips=CLIPS, seed=6)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_empty_folder_is_filled_and_progress_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    told: list[tuple[int, int]] = []
    made = make_corpus(
        tmp_path / "empty", clips=1, workers=1, on_progress=lambda done, total: told.append((done, total))
    )
    assert told == [(1, 1)]
    assert made.splits == {"train": 1}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty"]


def test_what_breaks_off_leaves_nothing_behind(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_corpus(tmp_path / "corpus", clips=2, workers=1, on_progress=interrupt)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("clips", "seed"), [(0, 0), (-3, 0), (1, -1)])
def test_senseless_numbers_are_refused(tmp_path: Path, clips: int, seed: int) -> None:
    with pytest.raises(ValueError, match="at least"):
        make_corpus(tmp_path / "corpus", clips=clips, seed=seed)


# Independence of the augmentation


def test_the_corpus_shares_no_code_with_augment() -> None:
    """Its overlays must not be painted by what later hides overlays: the one would then be tuned to the other."""
    folder = Path(package.__file__).parent
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            framegate = [name for name in names if name.startswith("framegate") and name != "framegate.media.errors"]
            assert all(name.startswith("framegate.recipes.corpus") for name in framegate), (path.name, framegate)
