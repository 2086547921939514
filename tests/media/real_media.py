"""Real files against FFmpeg's command line and Pillow: python tests/media/real_media.py DIR...

Not a test: the files are no part of the project. Each file in the folders is extracted (exact, short side 256, quality
95; what moves in mode auto, too). Its frames are compared with what `ffmpeg` shows at their times, turned upright and
with square pixels, or Pillow for pictures, over the same background. Of sounds, the duration is compared with that of
`ffprobe`, and silence with `volumedetect`. A file agrees from 30 dB in its worst frame on.

--sheets writes contact sheets, ours at the left of the reference: all that do not agree, and 200 others, drawn.
"""

import argparse
import json
import random
import re
import statistics
import subprocess
import tempfile
import warnings
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageDraw, ImageOps, ImageSequence

from framegate.media import ExtractOptions, FrameStore, clips_from_scans, extract, scan_folder
from framegate.media.pictures.background import BACKGROUND
from framegate.media.pictures.jpeg import decode_jpeg
from framegate.media.pictures.picture import encode_jpeg

AGREES = 30.0  # dB
QUALITY = 95
FRAMES = 8  # of what moves
DRAWN = 200
Image.MAX_IMAGE_PIXELS = None
CELL, ACROSS, DOWN = 150, 6, 8  # of a contact sheet: pixels of a picture's side, and pairs
AUDIBLE = -60.0  # dB, mean
BACKGROUNDS = {"black": 0, "mid grey": 128, "light grey": 192, "white": 255}


@dataclass
class Row:
    """What was found of one file."""

    file: str
    kind: str
    status: str
    auto: str = ""
    frames: int = 0
    psnr: float | None = None  # of the worst frame
    worst: int = 0  # number of that frame in the clip
    seconds: float = 0.0
    reference: str = ""
    disagreement: str = ""
    visible: dict[str, float] = field(default_factory=dict)  # shares of what is drawn, by the background


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", metavar="DIR")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write a row for each file")
    parser.add_argument("--sheets", type=Path, metavar="DIR", help="write contact sheets")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write the table as Markdown")
    parser.add_argument("--limit", type=int, metavar="N", help="only N files, drawn by seed 0")
    options = parser.parse_args()
    scans = [scan_folder(folder) for folder in options.folders]
    print("\n".join(scan.describe() for scan in scans))
    clips = clips_from_scans(scans)
    if options.limit:
        clips = random.Random(0).sample(clips, min(options.limit, len(clips)))
    with tempfile.TemporaryDirectory() as work:
        exact = ExtractOptions(mode="exact", frames=FRAMES, size=256, quality=QUALITY, audio_seconds=None)
        store, failures = extracted(clips, Path(work, "exact"), exact)
        rows_of = {store.video(row).id: row for row in range(len(store.videos))}
        jobs = []
        for clip in clips:
            row = rows_of.get(clip.id)
            jobs.append((clip.video or clip.audio, store.path, row, failures.get(clip.id, "")))
        with ProcessPoolExecutor() as pool:
            rows = list(pool.map(compared, *zip(*jobs, strict=True), chunksize=8))
        moving = [clip for clip, row in zip(clips, rows, strict=True) if row.frames != 1]
        if moving:
            by_auto = ExtractOptions(mode="auto", size=256, audio_seconds=None)
            auto, _ = extracted(moving, Path(work, "auto"), by_auto)
            told = {auto.video(row).id: auto.video(row).status for row in range(len(auto.videos))}
            for clip, row in zip(clips, rows, strict=True):
                row.auto = told.get(clip.id, "failed" if clip in moving else "")
        page = table(rows)
        print(page)
        if options.page:
            options.page.write_text(page)
        if options.json:
            options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))
        if options.sheets:
            write_sheets(rows, jobs, options.sheets)


def extracted(clips: Sequence, out: Path, options: ExtractOptions) -> tuple[FrameStore, dict[str, str]]:
    """Return the store, and what failures.jsonl says by clip."""
    extract(clips, out, options=options)
    reasons: dict[str, list[str]] = defaultdict(list)
    path = out / "failures.jsonl"
    for line in path.read_text().splitlines() if path.exists() else []:
        told = json.loads(line)
        reasons[told["id"]].append(f"{told['stage']}: {told['error']}")
    return FrameStore(out), {clip: "; ".join(found) for clip, found in reasons.items()}


def compared(path: Path, store_path: Path, row: int | None, failure: str) -> Row:
    """Compare what the store has of one file with the reference."""
    kind = kind_of(path)
    if row is None:
        return Row(str(path), kind, "failed", disagreement=failure)
    store = FrameStore(store_path)
    video = store.video(row)
    numbers = store.frame_range(row)
    found = Row(str(path), kind, video.status, frames=len(numbers), seconds=video.duration, disagreement=failure)
    try:
        if numbers:
            ours = [store[number] for number in numbers]
            times = [float(store.times[number]) for number in numbers]
            found.reference, theirs = references(path, times, ours[0].shape[1], ours[0].shape[0], found)
            pairs = enumerate(zip(ours, theirs, strict=True))
            found.psnr, found.worst = min((psnr(*pair), number) for number, pair in pairs)
            if found.psnr < AGREES:
                alike = psnr(ours[found.worst], decode_jpeg(encode_jpeg(theirs[found.worst], QUALITY)))
                found.disagreement += (
                    f" {found.psnr:.1f} dB; {alike:.1f} dB from the reference as a JPEG of that quality"
                )
        if not numbers or video.has_audio:
            found.disagreement += sound_differs(path, store, row, is_sound=not numbers)
    except Exception as error:  # of the reference: a row of the table, too
        found.disagreement += f" no reference: {str(error)[:150]}"
    return found


def psnr(ours: np.ndarray, theirs: np.ndarray) -> float:
    error = float(np.mean((ours.astype(float) - theirs) ** 2))
    return round(min(99.0, 10 * np.log10(255**2 / max(error, 1e-9))), 2)


def references(path: Path, times: list[float], width: int, height: int, row: Row) -> tuple[str, list[np.ndarray]]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return "Pillow", by_pillow(path, times, (width, height), row)
    except Exception as reason:
        try:
            return "ffmpeg", by_ffmpeg(path, times, width, height)
        except Exception as error:
            raise ValueError(f"Pillow: {reason}; ffmpeg: {error}") from None


def by_pillow(path: Path, times: list[float], size: tuple[int, int], row: Row) -> list[np.ndarray]:
    with Image.open(path) as image:
        if image.format not in ("GIF", "PNG", "WEBP", "TIFF", "AVIF") or getattr(image, "n_frames", 1) == 1:
            return [over_background(image, size, row)] * len(times)
        shown, start = [], 0.0
        for picture in ImageSequence.Iterator(image):
            picture.load()
            duration = picture.info.get("duration") or 0
            shown.append((start, over_background(picture, size, row)))
            start += 1.0 if image.format == "TIFF" else duration / 1000 if duration > 10 else 0.1
        return [[pixels for begin, pixels in shown if begin <= time + 1e-3][-1] for time in times]


def over_background(image: Image.Image, size: tuple[int, int], row: Row) -> np.ndarray:
    profile = image.info.get("icc_profile")
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I;16") or (upright.mode == "I" and image.format in ("PPM", "PNG")):
        upright = Image.fromarray((np.asarray(upright) / 257).round().astype(np.uint8))  # both have 16 bits
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(BytesIO(profile))
            alpha = upright.getchannel("A") if "A" in upright.getbands() else None
            opaque = upright if upright.mode in ("RGB", "L", "CMYK") else upright.convert("RGB")
            upright = ImageCms.profileToProfile(opaque, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
            if alpha is not None:
                upright.putalpha(alpha)
        except ImageCms.PyCMSError:
            pass
    seen = upright.convert("RGBA").resize(size, Image.Resampling.HAMMING)
    if seen.getextrema()[3][0] < 255 and not row.visible:
        row.visible = {name: visible_share(seen, level) for name, level in BACKGROUNDS.items()}
    return np.asarray(Image.alpha_composite(Image.new("RGBA", size, (*BACKGROUND, 255)), seen).convert("RGB"))


def visible_share(picture: Image.Image, level: int) -> float:
    """Share of the drawn pixels that stand out from a background by more than 32 of 255 levels in a channel."""
    background = Image.new("RGBA", picture.size, (level, level, level, 255))
    seen = np.asarray(Image.alpha_composite(background, picture).convert("RGB")).astype(int)
    drawn = max(1, int((np.asarray(picture)[..., 3] > 127).sum()))
    return round(min(1.0, float((np.abs(seen - level).max(axis=-1) > 32).sum()) / drawn), 4)


def by_ffmpeg(path: Path, times: list[float], width: int, height: int) -> list[np.ndarray]:
    """Return the frames that are shown at ``times``, in this size with square pixels."""
    ffmpeg = ["ffmpeg", "-nostdin", "-hide_banner", "-i", str(path), "-an", "-sn", "-map", "0:V:0"]
    listed = subprocess.run(
        [*ffmpeg, "-vf", "showinfo", "-fps_mode", "passthrough", "-f", "null", "-"],
        capture_output=True, text=True, errors="replace", timeout=300, check=False,
    ).stderr  # fmt: skip
    stamps = [float(stamp) for stamp in re.findall(r"Parsed_showinfo.* pts_time:\s*(-?[\d.]+)", listed)]
    if not stamps:
        raise ValueError(listed[-150:])
    chosen = [max((n for n, stamp in enumerate(stamps) if stamp <= time + 2e-3), default=0) for time in times]
    wanted = "+".join(f"eq(n,{number})" for number in sorted(set(chosen)))
    scale = f"scale={width}:{height}:flags=area+accurate_rnd+full_chroma_int+full_chroma_inp,setsar=1"
    data = subprocess.run(
        [*ffmpeg, "-vf", f"select='{wanted}',{scale}", "-fps_mode", "passthrough", "-pix_fmt", "rgb24",
         "-f", "rawvideo", "-"],
        capture_output=True, timeout=300, check=False,
    ).stdout  # fmt: skip
    frames = np.frombuffer(data, np.uint8).reshape(-1, height, width, 3)
    return [frames[sorted(set(chosen)).index(number)] for number in chosen]


def sound_differs(path: Path, store: FrameStore, row: int, *, is_sound: bool) -> str:
    told = subprocess.run(
        ["ffmpeg", "-nostdin", "-hide_banner", "-i", str(path), "-vn", "-map", "0:a:0", "-af", "volumedetect",
         "-f", "null", "-"],
        capture_output=True, text=True, errors="replace", timeout=300, check=False,
    ).stderr  # fmt: skip
    volume = re.search(r"mean_volume: (-?[\d.]+|-inf) dB", told)
    windows = [window.pcm for window in store.audio(row)]
    power = float(np.mean(np.concatenate(windows).astype(float) ** 2)) if windows else 0.0
    ours = 10 * np.log10(max(power, 1e-9) / 32768**2)
    differs = ""
    if volume is None or (float(volume[1]) > AUDIBLE) != (ours > AUDIBLE):
        differs += f" volume {ours:.1f} dB, ffmpeg {volume and volume[1]}"
    if is_sound:
        entry = ["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", str(path)]
        stated = subprocess.run(entry, capture_output=True, text=True, check=False).stdout.strip()
        seconds = store.video(row).duration
        if stated in ("", "N/A") or abs(float(stated) - seconds) > 0.1:
            differs += f" {seconds:.2f} s, ffprobe {stated or 'nothing'}"
    return differs


def kind_of(path: Path) -> str:
    """Return the format and the codecs, as ffprobe and Pillow tell them."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                return f"{image.format}{', animated' if getattr(image, 'is_animated', False) else ''}"
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # no picture, or one that Pillow refuses
        entry = ["ffprobe", "-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", str(path)]
        told = subprocess.run(entry, capture_output=True, text=True, check=False).stdout.split()
        return f"{path.suffix.lstrip('.').lower()}: {', '.join(dict.fromkeys(told)) or 'nothing that ffprobe knows'}"


def table(rows: Sequence[Row]) -> str:
    by_kind: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_kind[row.kind].append(row)
    lines = [
        "| kind | files | ok | partial | failed | median dB | worst dB | disagree |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for kind, group in sorted(by_kind.items()):
        values = [row.psnr for row in group if row.psnr is not None]
        counts = [sum(row.status == status for row in group) for status in ("ok", "partial", "failed")]
        decibels = (f"{statistics.median(values):.1f}", f"{min(values):.1f}") if values else ("", "")
        differ = sum(bool(row.disagreement) for row in group)
        lines.append(f"| {' | '.join(map(str, [kind, len(group), *counts, *decibels, differ]))} |")
    differing = [f"- {row.file} ({row.kind}, {row.status}): {row.disagreement}" for row in rows if row.disagreement]
    return "\n".join([*lines, "", *differing]) + "\n"


def write_sheets(rows: Sequence[Row], jobs: Sequence[tuple], folder: Path) -> None:
    pairs = [(row, job) for row, job in zip(rows, jobs, strict=True) if row.frames]
    differing = [pair for pair in pairs if pair[0].disagreement]
    agreeing = [pair for pair in pairs if not pair[0].disagreement]
    drawn = random.Random(0).sample(agreeing, min(DRAWN, len(agreeing)))
    folder.mkdir(parents=True, exist_ok=True)
    for name, chosen in (("differ", differing), ("drawn", drawn)):
        for page, start in enumerate(range(0, len(chosen), ACROSS * DOWN)):
            sheet(chosen[start : start + ACROSS * DOWN]).save(folder / f"{name}_{page:02}.png")


def sheet(pairs: Sequence[tuple[Row, tuple]]) -> Image.Image:
    cell_width, cell_height = 2 * CELL + 10, CELL + 16
    canvas = Image.new("RGB", (ACROSS * cell_width, DOWN * cell_height), (70, 70, 110))
    draw = ImageDraw.Draw(canvas)
    for place, (row, (path, store_path, number, _)) in enumerate(pairs):
        left, top = place % ACROSS * cell_width, place // ACROSS * cell_height
        store = FrameStore(store_path)
        frame = store.frame_range(number)[row.worst]
        ours = store[frame]
        shown = [ours]
        with suppress(ValueError):  # no reference
            shown += references(path, [float(store.times[frame])], ours.shape[1], ours.shape[0], row)[1]
        for side, pixels in enumerate(shown):
            picture = Image.fromarray(pixels)
            picture.thumbnail((CELL, CELL))
            canvas.paste(picture, (left + side * (CELL + 2), top + 14))
        name = path.name.encode("ascii", "replace").decode()
        draw.text((left + 2, top + 1), f"{name[-34:]} {row.psnr or 0:.0f} dB", fill=(255, 255, 255))
    return canvas


if __name__ == "__main__":
    main()
