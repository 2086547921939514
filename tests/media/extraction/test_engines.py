"""The same clips on Ray give the same store as on processes."""

import os
from pathlib import Path

import pyarrow as pa
import pytest

from framegate.media import Clip, ExtractOptions, extract


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_local_ray_gives_the_store_that_processes_give(make_video, tmp_path: Path) -> None:
    if os.environ.get("CI") != "true":
        pytest.importorskip("ray", reason="pip install 'framegate[ray]'")
    import ray

    clips = [
        Clip(id=f"c{number}", video=make_video(f"{number}.mp4", audio="aac"), programme="p", split="train")
        for number in range(4)
    ]
    clips.insert(2, Clip(id="gone", video=tmp_path / "gone.mp4", programme="p", split="train"))
    options = ExtractOptions(mode="exact", every=0.5, size=64)
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        summary = extract(clips, tmp_path / "ray", options=options, engine="ray", workers=2)
    finally:
        ray.shutdown()
    assert (summary.ok, summary.failed) == (4, 1)
    extract(clips, tmp_path / "processes", options=options, workers=2)
    for table in ("frames-00000", "audio-00000", "videos"):
        first, second = ((tmp_path / engine / f"{table}.arrow").read_bytes() for engine in ("ray", "processes"))
        assert pa.ipc.open_stream(first).read_all().equals(pa.ipc.open_stream(second).read_all())
