"""The corpus's sixteen leaves, and the kinds of picture, audio and text that each is made of.

Two leaves of one picture kind are drawn by the same code from the same random ranges, so nothing in the pictures tells
them apart; the same holds for audio and texts. In each modality six pairs of leaves share a kind and four leaves have
one of their own: ten kinds, so a perfect model of one modality ends at 10/16 = 62.5 % of the leaves (less what is
missing). No two leaves share all three kinds:

==================  =======================================================================
pair differs in     leaves
==================  =======================================================================
text only           football/rugby, seafood/baking
audio only          concert/club, cartoon/singalong
pictures only       circuit/rally, politics/markets
audio and text      rally/mountains, forecast/traffic         (they look alike)
pictures and text   mountains/ocean, singalong/forecast       (they sound alike)
pictures and audio  forecast/mountains, ocean/seafood         (they read alike)
==================  =======================================================================
"""

from dataclasses import dataclass

__all__ = ["LEAVES", "TAXONOMY", "Leaf", "Node"]


@dataclass(frozen=True, slots=True)
class Leaf:
    """A category of the third level.

    Attributes:
        id: its id in the taxonomy, and the label in the manifest.
        pictures: a key of ``framegate.recipes.corpus.pictures.SCENES``.
        audio: a key of ``framegate.recipes.corpus.audio.AUDIO_KINDS``.
        text: a key of ``framegate.recipes.corpus.words.WORDS``.
    """

    id: str
    pictures: str
    audio: str
    text: str


LEAVES = (
    #    id            pictures      audio      text
    Leaf("football", "pitch", "crowd", "football"),
    Leaf("rugby", "pitch", "crowd", "rugby"),
    Leaf("circuit", "track", "engine", "racing"),
    Leaf("rally", "mountains", "engine", "racing"),
    Leaf("politics", "studio", "speech", "news"),
    Leaf("markets", "charts", "speech", "news"),
    Leaf("forecast", "map", "chimes", "outdoors"),
    Leaf("traffic", "map", "horns", "roads"),
    Leaf("concert", "stage", "band", "music"),
    Leaf("club", "stage", "beat", "music"),
    Leaf("cartoon", "creatures", "slides", "children"),
    Leaf("singalong", "creatures", "chimes", "children"),
    Leaf("mountains", "mountains", "surge", "outdoors"),
    Leaf("ocean", "underwater", "surge", "sea"),
    Leaf("seafood", "pans", "sizzle", "sea"),
    Leaf("baking", "pans", "sizzle", "dough"),
)


@dataclass(frozen=True, slots=True)
class Node:
    """A row of ``taxonomy.csv``; ``parent`` is empty at the first level."""

    id: str
    parent: str
    name: str
    definition: str


TAXONOMY = (
    Node("sport", "", "Sport", "Competitions and what surrounds them"),
    Node("field_games", "sport", "Field games", "Two teams, one field, one ball"),
    Node("football", "field_games", "Football", "Association football matches and highlights"),
    Node("rugby", "field_games", "Rugby", "Rugby union and league matches and highlights"),
    Node("motor_sport", "sport", "Motor sport", "Races between motor vehicles"),
    Node("circuit", "motor_sport", "Circuit racing", "Races on a closed track"),
    Node("rally", "motor_sport", "Rally", "Timed stages on roads in open country"),
    Node("news", "", "News and services", "What happened today, and what to expect"),
    Node("bulletins", "news", "Bulletins", "Read news"),
    Node("politics", "bulletins", "Politics", "Parliament, government and elections, from the studio"),
    Node("markets", "bulletins", "Markets", "Economy and stock markets, with charts"),
    Node("service", "news", "Service", "Information for the day, on a map"),
    Node("forecast", "service", "Weather forecast", "The weather of the coming days"),
    Node("traffic", "service", "Traffic report", "Jams, closures and detours"),
    Node("shows", "", "Shows", "Entertainment"),
    Node("live_music", "shows", "Live music", "Music performed on a stage"),
    Node("concert", "live_music", "Band concert", "Bands with guitars and drums"),
    Node("club", "live_music", "Club night", "Electronic dance music and its DJs"),
    Node("children", "shows", "Children", "For the youngest viewers"),
    Node("cartoon", "children", "Cartoon", "Animated slapstick"),
    Node("singalong", "children", "Sing-along", "Animated nursery songs"),
    Node("factual", "", "Factual", "Documentary and how-to"),
    Node("nature", "factual", "Nature", "Landscapes and animals"),
    Node("mountains", "nature", "Mountains", "High country in every season"),
    Node("ocean", "nature", "Ocean", "Life under water"),
    Node("kitchen", "factual", "Kitchen", "How to prepare food"),
    Node("seafood", "kitchen", "Seafood cooking", "Fish and shellfish, from net to plate"),
    Node("baking", "kitchen", "Pans and pastry", "Pancakes, pies and other dough"),
)
