"""Kinds of files that people have: how to make one of each, and what a reader should give of it."""

from __future__ import annotations

from shared.input_pictures import PICTURES
from shared.input_sound import SOUND
from shared.input_videos import VIDEOS

KINDS = (*PICTURES, *VIDEOS, *SOUND)
