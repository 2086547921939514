"""Which video and which audio track of a file is taken.

The rule: ordinary tracks before special ones; among them those that the file marks as default; among them the first.
Tracks that do not decode are passed over. Special are tracks that are made for some listeners or viewers, or to be seen
beside others: an audio description, a commentary, a thumbnail; they are taken only where there is nothing else. A cover
picture is never a video. Sound comes from the broadcast programme that the video belongs to.
"""

import re
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import cast

import av
from av.stream import Disposition

from framegate.media.decoding.packets import Deadline
from framegate.media.decoding.source import open_media, require_decoder
from framegate.media.errors import MediaError
from framegate.media.options import MAX_PIXELS

_COVERS = Disposition.attached_pic | Disposition.timed_thumbnails
_SPECIAL_VIDEO = {
    Disposition.still_image: "a still picture",
    Disposition.dependent: "part of another track",
    Disposition.metadata: "metadata",
    Disposition.visual_impaired: "for the visually impaired",
    Disposition.hearing_impaired: "for the hearing impaired",  # with a signer in the picture
    Disposition.comment: "a commentary",
}
_SPECIAL_AUDIO = {
    Disposition.visual_impaired: "an audio description",
    Disposition.descriptions: "an audio description",
    Disposition.comment: "a commentary",
    Disposition.karaoke: "karaoke",
    Disposition.clean_effects: "effects without speech",
    Disposition.non_diegetic: "music or narration alone",
    Disposition.hearing_impaired: "for the hearing impaired",
    Disposition.dependent: "part of another track",
    Disposition.metadata: "metadata",
}
_SPECIAL_TITLE = re.compile(
    r"audio[ -]?d[eé]s[ck]ri|descriptive|described|hörfilm|comm?ent(ary|aire|ario)|kommentar|karaoke", re.IGNORECASE
)
_DESCRIPTION_LANGUAGES = {"qad", "nar"}  # what broadcasters write for an audio description, or a narration
_PICTURE_CODECS = {"mjpeg", "png", "bmp", "gif", "webp", "tiff"}
_TRIED_PACKETS = 100


@dataclass(frozen=True, slots=True)
class VideoChoice:
    """The video track that is taken, and why others before it were not."""

    stream: av.VideoStream
    passed_over: tuple[str, ...] = ()


def video_tracks(container: av.container.InputContainer) -> list[av.VideoStream]:
    """Return the video tracks of a file, the one to be taken first; none where it has nothing but cover pictures."""
    tracks = [stream for stream in container.streams.video if not stream.disposition & _COVERS]
    return sorted(tracks, key=lambda stream: (_is_thumbnail(stream, tracks), *_rank(stream, _SPECIAL_VIDEO)))


def audio_tracks(
    container: av.container.InputContainer, *, video: av.VideoStream | None = None
) -> list[av.AudioStream]:
    """Return a file's audio tracks, the one to be taken first; only those of ``video``'s programme if it has some."""
    tracks = list(container.streams.audio)
    if video is not None:
        programme = _programme(container, video)
        tracks = [stream for stream in tracks if _programme(container, stream) == programme] or tracks
    return sorted(tracks, key=lambda stream: (special_audio(stream) is not None, *_rank(stream, {})))


def special_audio(stream: av.AudioStream) -> str | None:
    """Tell for whom or for what an audio track is made, where it is no ordinary one."""
    for flag, meaning in _SPECIAL_AUDIO.items():
        if stream.disposition & flag:
            return meaning
    title = " ".join(stream.metadata.get(key, "") for key in ("title", "handler_name", "name"))
    if found := _SPECIAL_TITLE.search(title):
        return f"called {found.group()!r}"
    return "an audio description" if stream.language in _DESCRIPTION_LANGUAGES else None


def choose_video(
    container: av.container.InputContainer,
    path: Path,
    *,
    deadline: Deadline | None = None,
    max_pixels: int = MAX_PIXELS,
) -> VideoChoice | None:
    """Choose the video track of a file: the first of `video_tracks` that decodes; None if there is no video.

    Where there are several, the first packets of those in question are decoded, in an opening of ``path`` of its own.

    Raises:
        MediaError: there is no decoder for any of them.
    """
    tracks = video_tracks(container)
    passed: list[str] = []
    for number, stream in enumerate(tracks):
        try:
            require_decoder(stream)
        except MediaError as error:
            passed.append(f"video track {stream.index}: {error}")
            continue
        if number + 1 == len(tracks) or _decodes(path, stream.index, deadline or Deadline(), max_pixels):
            return VideoChoice(stream, tuple(passed))
        passed.append(f"video track {stream.index}: it does not decode")
    for stream in tracks:  # none decodes: the first that could tells why
        require_decoder(stream)
        return VideoChoice(stream)
    return None


def _rank(stream: av.VideoStream | av.AudioStream, special: dict[Disposition, str]) -> tuple[bool, bool]:
    return any(stream.disposition & flag for flag in special), not stream.disposition & Disposition.default


def _is_thumbnail(stream: av.VideoStream, tracks: list[av.VideoStream]) -> bool:
    """Tell whether a track is one picture beside a video, which cameras write without a mark."""
    context = stream.codec_context
    picture = context is not None and context.name in _PICTURE_CODECS and stream.frames == 1
    return picture and any(other.frames != 1 for other in tracks)


def _programme(container: av.container.InputContainer, stream: av.VideoStream | av.AudioStream) -> int | None:
    """Return what tells the programme of ``stream`` from others: the index of its main video."""
    main = container.streams.best("video", related=stream)
    return None if main is None else main.index


def _decodes(path: Path, index: int, deadline: Deadline, max_pixels: int) -> bool:
    with open_media(path, max_pixels=max_pixels) as container:
        stream = cast(av.VideoStream, container.streams[index])
        for packet in islice(container.demux(stream), _TRIED_PACKETS):
            deadline.check()
            try:
                if packet.decode():
                    return True
            except av.FFmpegError:
                continue
    return False
