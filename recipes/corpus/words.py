"""The words of titles and descriptions, in seven languages and five scripts.

A text kind has five words a language, and three that are written the same way in all of them, as names and loan words
are. Filler says nothing about the leaf.
"""

from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np

__all__ = ["LANGUAGES", "WORDS", "Language", "compose_text", "subtitle_lines"]

Language = Literal["en", "es", "de", "ru", "zh", "ar", "hi"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
_SHARES = (0.3, 0.16, 0.14, 0.12, 0.1, 0.09, 0.09)

_EVERYWHERE: Mapping[str, str] = {
    "football": "UEFA VAR derby",
    "rugby": "TMO haka XV",
    "racing": "turbo DRS paddock",
    "news": "EU G7 OPEC",
    "outdoors": "alpine panorama trekking",
    "roads": "GPS A7 km",
    "music": "remix festival unplugged",
    "children": "bimbo yoyo lala",
    "sea": "sushi calamari omega",
    "dough": "pizza brioche croissant",
}

_BY_LANGUAGE: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "football": "goal striker penalty offside goalkeeper",
        "rugby": "scrum try lineout tackle conversion",
        "racing": "lap driver tyres overtake finish",
        "news": "minister budget inflation parliament shares",
        "outdoors": "snow valley wind summit clouds",
        "roads": "jam detour motorway junction closure",
        "music": "song guitar stage dance album",
        "children": "puppy bunny giggle friends playtime",
        "sea": "fish shell salt reef octopus",
        "dough": "flour oven yeast butter pancake",
    },
    "es": {
        "football": "gol delantero penalti portero córner",
        "rugby": "melé ensayo placaje touche conversión",
        "racing": "vuelta piloto neumáticos adelantar meta",
        "news": "ministro presupuesto inflación parlamento acciones",
        "outdoors": "nieve valle viento cumbre nubes",
        "roads": "atasco desvío autopista cruce corte",
        "music": "canción guitarra escenario baile disco",
        "children": "cachorro conejito risas amigos jugar",
        "sea": "pescado concha sal arrecife pulpo",
        "dough": "harina horno levadura mantequilla tortita",
    },
    "de": {
        "football": "Tor Stürmer Elfmeter Abseits Torwart",
        "rugby": "Gedränge Versuch Gasse Fassen Erhöhung",
        "racing": "Runde Fahrer Reifen Überholen Ziel",
        "news": "Minister Haushalt Inflation Bundestag Aktien",
        "outdoors": "Schnee Tal Wind Gipfel Wolken",
        "roads": "Stau Umleitung Autobahn Kreuz Sperrung",
        "music": "Lied Gitarre Bühne Tanz Album",
        "children": "Welpe Häschen Kichern Freunde Spielzeit",
        "sea": "Fisch Muschel Salz Riff Krake",
        "dough": "Mehl Ofen Hefe Butter Pfannkuchen",
    },
    "ru": {
        "football": "гол нападающий пенальти офсайд вратарь",
        "rugby": "схватка попытка коридор захват реализация",
        "racing": "круг пилот шины обгон финиш",
        "news": "министр бюджет инфляция парламент акции",
        "outdoors": "снег долина ветер вершина облака",
        "roads": "пробка объезд шоссе развязка перекрытие",
        "music": "песня гитара сцена танец альбом",
        "children": "щенок зайчик смех друзья игра",
        "sea": "рыба ракушка соль риф осьминог",
        "dough": "мука печь дрожжи масло блины",
    },
    "zh": {
        "football": "进球 前锋 点球 越位 门将",
        "rugby": "争球 达阵 擒抱 边线球 追加射门",
        "racing": "单圈 车手 轮胎 超车 终点",
        "news": "部长 预算 通胀 议会 股票",
        "outdoors": "雪 山谷 风 山顶 云",
        "roads": "堵车 绕行 高速 路口 封路",
        "music": "歌曲 吉他 舞台 跳舞 专辑",
        "children": "小狗 小兔 欢笑 朋友 玩耍",
        "sea": "鱼 贝壳 盐 珊瑚 章鱼",
        "dough": "面粉 烤箱 酵母 黄油 煎饼",
    },
    "ar": {
        "football": "هدف مهاجم جزاء تسلل حارس",
        "rugby": "تدافع محاولة تماس عرقلة تحويل",
        "racing": "لفة سائق إطارات تجاوز نهاية",
        "news": "وزير ميزانية تضخم برلمان أسهم",
        "outdoors": "ثلج وادي رياح قمة غيوم",
        "roads": "ازدحام تحويلة طريق تقاطع إغلاق",
        "music": "أغنية جيتار مسرح رقص ألبوم",
        "children": "جرو أرنوب ضحك أصدقاء لعب",
        "sea": "سمك صدف ملح شعاب أخطبوط",
        "dough": "دقيق فرن خميرة زبدة فطيرة",
    },
    "hi": {
        "football": "गोल स्ट्राइकर पेनल्टी ऑफ़साइड गोलकीपर",
        "rugby": "स्क्रम ट्राई लाइनआउट टैकल कन्वर्ज़न",
        "racing": "चक्कर चालक टायर ओवरटेक समापन",
        "news": "मंत्री बजट महंगाई संसद शेयर",
        "outdoors": "बर्फ़ घाटी हवा शिखर बादल",
        "roads": "जाम मोड़ राजमार्ग चौराहा बंद",
        "music": "गाना गिटार मंच नृत्य एल्बम",
        "children": "पिल्ला खरगोश हँसी दोस्त खेल",
        "sea": "मछली सीप नमक चट्टान ऑक्टोपस",
        "dough": "आटा तंदूर ख़मीर मक्खन पैनकेक",
    },
}

_FILLER: Mapping[Language, str] = {
    "en": "today new best full episode part watch live with the and more special evening our guest story week",
    "es": "hoy nuevo mejor completo episodio parte mira directo con el y más especial noche nuestro invitado semana",
    "de": "heute neu beste ganze Folge Teil sehen live mit dem und mehr Spezial Abend unser Gast Woche",
    "ru": "сегодня новый лучший полный выпуск часть смотри эфир с нами и ещё особый вечер наш гость неделя",
    "zh": "今天 最新 最佳 完整 本集 部分 观看 直播 我们 一起 更多 特别 晚间 嘉宾 故事 本周",
    "ar": "اليوم جديد أفضل كامل حلقة جزء شاهد مباشر مع نحن و المزيد خاص مساء ضيف قصة أسبوع",
    "hi": "आज नया सबसे पूरा एपिसोड भाग देखें सीधा साथ हम और अधिक विशेष शाम मेहमान कहानी सप्ताह",
}

WORDS: Mapping[str, Mapping[Language, tuple[str, ...]]] = {
    kind: {language: tuple(f"{_BY_LANGUAGE[language][kind]} {shared}".split()) for language in LANGUAGES}
    for kind, shared in _EVERYWHERE.items()
}

_STRAY_WORD = 0.2  # share of texts with one word of another kind
_SAYS_NOTHING = 0.04  # share of texts of filler alone


def compose_text(kind: str, rng: np.random.Generator) -> tuple[Language, str, str]:
    """Compose a language, a title and a description.

    The title has 3–6 words, one of them telling of ``kind``; the description has 8–16, two to four of them telling.
    """
    language = LANGUAGES[int(rng.choice(len(LANGUAGES), p=_SHARES))]
    of_kind = WORDS[kind][language]
    telling = 0 if rng.random() < _SAYS_NOTHING else 1
    title = _mix(rng, language, list(rng.choice(of_kind, telling)), length=int(rng.integers(3, 7)))
    words = list(rng.choice(of_kind, telling * int(rng.integers(2, 5)), replace=False))
    if rng.random() < _STRAY_WORD:
        words.append(rng.choice(WORDS[rng.choice(sorted(WORDS))][language]))
    return language, title, _mix(rng, language, words, length=int(rng.integers(8, 17)))


def subtitle_lines(rng: np.random.Generator, count: int) -> list[str]:
    """Return lines of filler in a script that the subtitle fonts have; they do not depend on the leaf."""
    language: Language = ("en", "es", "de", "ru")[int(rng.integers(4))]
    return [_mix(rng, language, [], length=int(rng.integers(3, 7))) for _ in range(count)]


def _mix(rng: np.random.Generator, language: Language, words: list[str], *, length: int) -> str:
    filler = rng.choice(_FILLER[language].split(), length - len(words))
    mixed = " ".join(rng.permutation([*words, *filler]))
    return mixed[:1].upper() + mixed[1:]
