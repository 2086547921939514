"""What a person can do about a clip that lacks something: the end of its line in ``failures.jsonl``."""

from typing import Literal

Trouble = Literal["damage", "time", "memory", "crash", "other"]
"""What a reason tells of: a file that is not whole, a limit, a decoder that died, or anything that says what to do."""

_LOST = "damaged, cut off or no media: copy it again, or if it plays elsewhere, convert it: ffmpeg -i OLD NEW"
_KEPT = "what there is, is kept; for more copy the file again, or convert it: ffmpeg -i OLD NEW"
_ADVICE = {
    "time": "give a longer --timeout, or convert it: ffmpeg -i OLD NEW",
    "memory": "give a higher --memory-mb, or convert it: ffmpeg -i OLD NEW",
    "crash": "convert it: ffmpeg -i OLD NEW, or leave it out",
    "other": "",
}


def advice(trouble: Trouble, *, lost: bool) -> str:
    """Return what to do; "" where the reason itself says it.

    >>> advice("time", lost=False)
    'give a longer --timeout, or convert it: ffmpeg -i OLD NEW'

    Args:
        lost: whether nothing of the clip is stored.
    """
    return _ADVICE.get(trouble, _LOST if lost else _KEPT)
