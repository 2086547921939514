import doctest
import faulthandler
import gc
import multiprocessing as mp
import pickle
from multiprocessing.connection import Connection
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pytest

import framegate.media.store.frame_store
from framegate.media import Clip, ExtractOptions, FrameStore, MediaError, clip_audio, clip_frames, decode_jpeg, extract
from framegate.media.store.schema import FRAMES, VIDEOS


@pytest.fixture
def store(make_video, make_wave, tmp_path: Path) -> FrameStore:
    clips = [
        Clip(id="a", video=make_video("a.mp4", seconds=2), programme="p", split="train"),
        Clip(id="sound", audio=make_wave(seconds=45), programme="q", split="test", label="x/y", title="只有声音"),
        Clip(id="b", video=make_video("b.mkv", seconds=3, audio="aac"), programme="p", split="train"),
    ]
    extract(clips, tmp_path / "store", options=ExtractOptions(mode="exact", every=0.5, size=48), workers=1)
    return FrameStore(tmp_path / "store")


def jpeg_sizes(store: FrameStore) -> list[int]:
    return [len(store.jpeg(index)) for index in range(len(store))]


def test_frames_are_found_by_number_by_video_and_by_time(store: FrameStore) -> None:
    assert len(store) == 10
    assert [list(store.frame_range(row)) for row in range(3)] == [[0, 1, 2, 3], [], [4, 5, 6, 7, 8, 9]]
    assert store.video_of.tolist() == [0] * 4 + [2] * 6
    frame = store.frame(5)
    assert (frame.video_id, frame.time, frame.width, frame.height) == ("b", pytest.approx(0.48), 64, 48)
    assert store.frame(-1).time == store.times[-1]
    assert store.frame_at(2, 1.3) == 7
    with pytest.raises(MediaError, match="no frames"):
        store.frame_at(1, 0.0)
    with pytest.raises(IndexError):
        store.frame(10)


def test_pictures_are_read_by_number_slice_list_and_mask(store: FrameStore) -> None:
    pictures = np.stack([decode_jpeg(store.jpeg(number)) for number in range(len(store))])
    assert np.array_equal(store[3], pictures[3]) and np.array_equal(store[np.int64(-1)], pictures[9])
    for item in (slice(None), slice(2, -1, 3), slice(-2, 100), [7, 0, 7, -1], np.array([4]), store.video_of == 2):
        assert np.array_equal(store[item], pictures[item])
    assert np.array_equal(store.frames(range(4)), clip_frames(store, 0))
    assert np.array_equal(list(store), pictures)
    assert store.frames([]).shape == store[5:5].shape == clip_frames(store, 1).shape == (0, 0, 0, 3)
    for item in (10, -11, [0, 10], [True]):
        with pytest.raises(IndexError):
            store[item]
    for wrong in ("a", 1.0, [0.5]):
        with pytest.raises(TypeError):
            store[wrong]


def test_pictures_of_several_sizes_are_no_one_array(make_video, tmp_path: Path) -> None:
    clips = [
        Clip(id=name, video=make_video(f"{name}.mp4", size=size)) for name, size in (("a", (96, 64)), ("b", (64, 64)))
    ]
    extract(clips, tmp_path / "store", workers=1)
    store = FrameStore(tmp_path / "store")
    assert store[0].shape == (64, 96, 3) and store[-1].shape == (64, 64, 3)
    with pytest.raises(MediaError, match="clip a have 96 × 64 pixels, of clip b 64 × 64"):
        store.frames(range(len(store)))


def test_a_picture_that_cannot_be_decoded_is_named_by_clip(store: FrameStore) -> None:
    shard = store.path / "frames-00000.arrow"
    jpeg = bytes(store.jpeg(5))
    shard.write_bytes(shard.read_bytes().replace(jpeg, jpeg[:2] + bytes(len(jpeg) - 4) + jpeg[-2:]))
    with pytest.raises(MediaError, match="frame 5, of clip b: not a JPEG"):
        FrameStore(store.path)[5]


def test_the_examples_of_the_store_are_true(store: FrameStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(store.path.parent)
    done = doctest.testmod(framegate.media.store.frame_store)
    assert done.attempted >= 5 and not done.failed


def test_reading_a_frame_copies_nothing(store: FrameStore) -> None:
    first, again = np.frombuffer(store.jpeg(3), np.uint8), np.frombuffer(store.frame(3).jpeg, np.uint8)
    assert np.shares_memory(first, again)
    assert store.jpeg(3).readonly


def test_a_video_without_pictures_keeps_its_sound_in_windows_spread_over_it(store: FrameStore) -> None:
    video, windows = store.video(1), store.audio(1)
    assert (video.title, video.label, video.frames, video.has_audio) == ("只有声音", "x/y", 0, True)
    assert [window.start for window in windows] == pytest.approx([2.5, 17.5, 32.5])
    assert [len(window.pcm) for window in windows] == [160_000] * 3
    assert store.audio(0) == []
    assert clip_audio(store, 0)[0].shape == (0,)
    audio, rate = clip_audio(store, 1)
    assert (audio.dtype, rate, np.abs(audio).max()) == (np.float32, 16_000, pytest.approx(0.49, abs=0.02))


def send_jpeg_sizes(store: FrameStore, answer: Connection) -> None:
    faulthandler.dump_traceback_later(45, exit=True)  # where it hangs, should it hang
    answer.send(jpeg_sizes(store))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_store_goes_into_worker_processes(store: FrameStore, method: str) -> None:
    expected = jpeg_sizes(store)
    gc.collect()  # a forked process that frees another test's decoder or encoder waits for threads that it has not
    context = mp.get_context(method)
    pipes = [context.Pipe(duplex=False) for _ in range(2)]
    workers = [context.Process(target=send_jpeg_sizes, args=(store, sender)) for _, sender in pipes]
    for worker in workers:
        worker.start()
    for worker, (receiver, _) in zip(workers, pipes, strict=True):
        assert receiver.poll(60), f"no answer; exit code {worker.exitcode}"
        assert receiver.recv() == expected
        worker.join()
    assert jpeg_sizes(pickle.loads(pickle.dumps(store))) == expected


def test_a_store_written_by_other_means_needs_no_index(store: FrameStore) -> None:
    indexed = [store.frame(index) for index in range(len(store))]
    for index in store.path.glob("*.npy"):
        index.unlink()
    bare = FrameStore(store.path)
    assert [bare.frame(index) for index in range(len(bare))] == indexed
    assert [len(window.pcm) for window in bare.audio(1)] == [160_000] * 3


def test_an_index_of_other_shards_is_not_used(store: FrameStore) -> None:
    shard = store.path / "frames-00000.arrow"
    table = pa.ipc.open_stream(shard.read_bytes()).read_all()
    with pa.ipc.new_stream(str(shard), FRAMES) as out:
        out.write_table(table, max_chunksize=2)
    assert [FrameStore(store.path).frame(index).time for index in range(10)] == store.times.tolist()


def test_what_is_no_store_is_one_clear_error(tmp_path: Path, store: FrameStore) -> None:
    with pytest.raises(MediaError, match=r"no videos\.arrow"):
        FrameStore(tmp_path / "nothing")
    (tmp_path / "half" / ".extract").mkdir(parents=True)
    with pytest.raises(MediaError, match="run it again"):
        FrameStore(tmp_path / "half")
    (store.path / "videos.arrow").write_bytes(b"rubbish")
    with pytest.raises(MediaError, match="no whole Arrow stream"):
        FrameStore(store.path)
    with pa.ipc.new_stream(str(store.path / "videos.arrow"), VIDEOS):
        pass
    with pytest.raises(MediaError, match="which is not in videos"):
        for index in store.path.glob("*.npy"):
            index.unlink()
        FrameStore(store.path)


def test_damaged_files_of_a_store_are_named(store: FrameStore) -> None:
    (index,) = store.path.glob("frames-*.npy")
    index.write_bytes(b"rubbish")
    with pytest.raises(MediaError, match=rf"{index.name} is damaged: delete it"):
        FrameStore(store.path)
    index.unlink()
    shard = store.path / "frames-00000.arrow"
    whole = shard.read_bytes()
    for kept in (0, 100, len(whole) // 2, len(whole) - 9):
        shard.write_bytes(whole[:kept])
        with pytest.raises(MediaError, match=r"frames-00000|the shards hold"):
            store_of = FrameStore(store.path)
            store_of.frame_range(0)
    shard.write_bytes(whole)
    videos = store.path / "videos.arrow"
    videos.write_bytes(videos.read_bytes()[: len(videos.read_bytes()) // 2])
    with pytest.raises(MediaError, match=r"videos\.arrow is no whole"):
        FrameStore(store.path)


@pytest.mark.parametrize("place", [0, -2], ids=["begins", "ends"])
def test_a_damaged_picture_is_named(store: FrameStore, place: int) -> None:
    picture = bytes(store.jpeg(7))
    (shard,) = (file for file in store.path.rglob("*.arrow") if picture in file.read_bytes())
    content = bytearray(shard.read_bytes())
    start = content.rindex(picture) + place % len(picture)
    content[start : start + 2] = b"\0\0"
    shard.write_bytes(content)
    damaged = FrameStore(store.path)
    for read in (damaged.jpeg, damaged.frame):
        with pytest.raises(MediaError, match=rf"{shard.name} is damaged: .* of b at 1\.4\d s is no JPEG"):
            read(7)
    assert damaged.jpeg(6) == store.jpeg(6)


def test_a_jpeg_can_be_decoded_at_a_fraction_of_its_size() -> None:
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[:, :, 0] = 200  # red, in RGB
    data = cv2.imencode(".jpg", picture[:, :, ::-1])[1].tobytes()
    for reduce in (1, 2, 4, 8):
        small = decode_jpeg(data, reduce=reduce)
        assert small.shape == (64 // reduce, 96 // reduce, 3)
        assert small.mean(axis=(0, 1)) == pytest.approx([200, 0, 0], abs=3)
    with pytest.raises(MediaError):
        decode_jpeg(b"rubbish")
