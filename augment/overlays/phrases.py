"""Random phrases in several scripts, which look like language; their meaning does not matter."""

from __future__ import annotations

import random

from framegate.augment.overlays.fonts import Script

_WORDS: dict[Script, str] = {
    "latin": "and then we will never know what the other people said about that house when it was still quiet there "
    "maybe tomorrow you can tell him No yes Why did she leave so early Look out Mañana où êtes-vous größer één på "
    "breaking news live from today minister market results weather season final match",
    "cyrillic": "и тогда мы никогда не узнаем что сказали другие люди об этом доме когда там было тихо может быть "
    "завтра ты скажешь ему Нет да Почему она ушла так рано Смотри новости сегодня погода матч финал їжак ґанок",
    "greek": "και τότε δεν θα μάθουμε ποτέ τι είπαν οι άλλοι άνθρωποι για αυτό το σπίτι όταν ήταν ακόμη ήσυχα ίσως "
    "αύριο να του πεις Όχι ναι Γιατί έφυγε τόσο νωρίς Κοίτα νέα σήμερα καιρός",
    "chinese": "我们 永远 不会 知道 那时候 其他人 说了 什么 关于 这个 房子 也许 明天 你可以 告诉他 为什么 她 走得 "
    "快看 今天 新闻 天气 比赛 决赛 市场 你好 世界 没有 时间 了",
    "japanese": "わたしたちは けっして しらない その時 他の人が 何を 言ったか この家 について 明日 彼に 言える なぜ "
    "早く 出た 今日 ニュース 天気 試合 カメラ テレビ ありがとう",
}
_POOL = 32  # phrases of each kind, so that their plates stay in memory


def phrase(script: Script, rng: random.Random, *, short: bool = False) -> str:
    """Return a random phrase of the script: two to seven words, or one or two with ``short``."""
    fixed = random.Random(f"{script}:{rng.randrange(_POOL)}:{short}")
    words = fixed.choices(_WORDS[script].split(), k=fixed.randint(1, 2) if short else fixed.randint(2, 7))
    return ("" if script in ("chinese", "japanese") else " ").join(words)
