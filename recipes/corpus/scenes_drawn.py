"""Picture kinds that are drawings: cartoons, maps and charts. Parameters drawn once, then a painter."""

import numpy as np
from numpy.typing import NDArray

from framegate.recipes.corpus.canvas import (
    HEIGHT,
    WIDTH,
    Colour,
    Image,
    Painter,
    box,
    disc,
    ellipse,
    hsv,
    polygon,
    stroke,
    vivid,
    wave,
)

__all__ = ["charts", "creatures", "map_symbols"]

_INK = (25, 25, 30)
_WHITE = (240, 240, 240)


def creatures(rng: np.random.Generator, hue: float) -> Painter:
    """A flat cartoon: outlined blobs with big eyes that hop over plain hills."""
    backdrop = np.full((HEIGHT, WIDTH, 3), hsv(hue, rng.uniform(0.15, 0.6), rng.uniform(0.75, 1.0)), np.uint8)
    for _ in range(int(rng.integers(1, 4))):
        hill = (rng.uniform(50, 130), rng.uniform(25, 70))
        ellipse(backdrop, rng.uniform(0, WIDTH), HEIGHT + 10, hill, hsv(rng.random(), rng.uniform(0.2, 0.6), 0.85))
    cast = []
    count = int(rng.integers(2, 5))
    for number in range(count):
        place = WIDTH * (number + 0.5) / count + rng.uniform(-12, 12)
        cast.append((place, rng.uniform(82, 110), rng.uniform(16, 27), rng.random(), vivid(rng), _blob(rng)))
    hop, period = rng.uniform(4, 16), rng.uniform(0.5, 1.2)

    def paint(t: float) -> Image:
        image = backdrop.copy()
        for x, y, size, phase, colour, outline in cast:
            jump = abs(wave(t, period=2 * period, phase=phase))
            squash = 1 + 0.15 * (jump - 0.5)
            centre = np.array([x + 5 * wave(t, period=3, phase=phase), y - hop * jump])
            body = centre + size * outline * [1 / squash, squash]
            polygon(image, body, colour)
            stroke(image, body, _INK, width=2, closed=True)
            _face(image, centre, size, wave(t, period=2.3, phase=phase), mouth=jump)
        return image

    return paint


def _blob(rng: np.random.Generator) -> np.ndarray:
    """The outline (48, 2) of a round body, with bumps or ears, of radius about one."""
    turn = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    radius = 1 + rng.uniform(0, 0.12) * np.sin(int(rng.integers(2, 8)) * turn + rng.uniform(0, 6))
    ears = rng.uniform(0, 0.7) * (np.exp(-(((turn - 4.2) / 0.22) ** 2)) + np.exp(-(((turn - 5.2) / 0.22) ** 2)))
    return np.column_stack([np.cos(turn), np.sin(turn)]) * (radius + ears)[:, None] * rng.uniform(0.8, 1.2, 2)


def _face(image: Image, centre: np.ndarray, size: float, gaze: float, *, mouth: float) -> None:
    for side in (-1, 1):
        x, y = centre + size * np.array([0.36 * side, -0.22])
        disc(image, x, y, 0.28 * size, (255, 255, 255))
        disc(image, x, y, 0.28 * size, _INK, width=1)
        disc(image, x + 0.1 * size * gaze, y, 0.13 * size, _INK)
    ellipse(image, centre[0], centre[1] + 0.38 * size, (0.34 * size, (0.08 + 0.2 * mouth) * size), (130, 25, 45))


def map_symbols(rng: np.random.Generator, hue: float) -> Painter:
    """A map: land with a coast, borders and roads, and signs (suns, clouds, arrows, warnings) that pulse on it."""
    chart = np.full((HEIGHT, WIDTH, 3), hsv(hue, rng.uniform(0.25, 0.7), rng.uniform(0.45, 0.9)), np.uint8)
    land = hsv(hue + rng.uniform(0.2, 0.8), rng.uniform(0.2, 0.5), rng.uniform(0.6, 0.95))
    for _ in range(int(rng.integers(1, 4))):
        coast = _coast(rng)
        polygon(chart, coast, land)
        stroke(chart, coast, _INK, closed=True)
    line = hsv(hue, 0.1, rng.uniform(0.3, 0.55))
    for _ in range(int(rng.integers(4, 8))):
        walk = np.cumsum(rng.normal(0, 10, (16, 2)) + rng.normal(0, 8, 2), axis=0)
        stroke(chart, rng.uniform((0, 0), (WIDTH, HEIGHT)) + walk, line)
    for x, y in rng.uniform((10, 10), (246, 134), (int(rng.integers(6, 14)), 2)):
        disc(chart, x, y, 1.6, _INK)
    signs = [
        (rng.uniform(20, 236), rng.uniform(18, 126), rng.uniform(7, 11), int(rng.integers(4)), rng.random())
        for _ in range(int(rng.integers(4, 9)))
    ]
    colours = (vivid(rng), vivid(rng))

    def paint(t: float) -> Image:
        image = chart.copy()
        for x, y, size, sign, phase in signs:
            pulse = 1 + 0.15 * wave(t, period=1.6, phase=phase)
            _SIGNS[sign](image, x, y, size * pulse, t, colours[sign % 2])
        return image

    return paint


def _coast(rng: np.random.Generator) -> np.ndarray:
    turn = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    radius = np.ones_like(turn)
    for harmonic in range(2, 12):
        radius += rng.normal(0, 0.28 / harmonic) * np.sin(harmonic * turn + rng.uniform(0, 6.3))
    shape = np.column_stack([np.cos(turn), np.sin(turn)]) * rng.uniform((40, 30), (100, 62))
    return rng.uniform((60, 40), (196, 104)) + shape * radius[:, None]


def _sun(image: Image, x: float, y: float, size: float, t: float, colour: Colour) -> None:
    for ray in np.arange(8) * np.pi / 4 + 0.5 * t:
        way = np.array([np.cos(ray), np.sin(ray)])
        stroke(image, np.array([(x, y) + 0.8 * size * way, (x, y) + 1.3 * size * way]), (255, 190, 30), width=2)
    disc(image, x, y, 0.65 * size, (255, 210, 60))


def _cloud(image: Image, x: float, y: float, size: float, t: float, colour: Colour) -> None:
    for drop in (-0.6, 0.0, 0.6):
        fall = (t + drop) % 1.0
        top = (x + drop * size, y + (0.4 + 0.7 * fall) * size)
        stroke(image, [top, (top[0] - 2, top[1] + 4)], (40, 70, 200))
    for dx, dy, radius in ((-0.6, 0.1, 0.5), (0.0, -0.2, 0.65), (0.65, 0.1, 0.45)):
        disc(image, x + dx * size, y + dy * size, radius * size, _WHITE)


def _arrow(image: Image, x: float, y: float, size: float, t: float, colour: Colour) -> None:
    shift = 3 * wave(t, period=1.2, phase=0)
    stroke(image, [(x - size + shift, y), (x + 0.5 * size + shift, y)], colour, width=4)
    polygon(
        image,
        [
            (x + 0.3 * size + shift, y - 0.6 * size),
            (x + 1.2 * size + shift, y),
            (x + 0.3 * size + shift, y + 0.6 * size),
        ],
        colour,
    )


def _warning(image: Image, x: float, y: float, size: float, t: float, colour: Colour) -> None:
    polygon(image, [(x, y - size), (x + size, y + 0.7 * size), (x - size, y + 0.7 * size)], (200, 30, 30))
    polygon(image, [(x, y - 0.5 * size), (x + 0.6 * size, y + 0.48 * size), (x - 0.6 * size, y + 0.48 * size)], _WHITE)
    stroke(image, [(x, y - 0.15 * size), (x, y + 0.25 * size)], _INK, width=2)


_SIGNS = (_sun, _cloud, _arrow, _warning)


def charts(rng: np.random.Generator, hue: float) -> Painter:
    """One or two panels with axes and a grid, on which bars grow, a line runs on, or a pie fills."""
    bright = rng.random() < 0.5
    ground = np.full(
        (HEIGHT, WIDTH, 3), hsv(hue, 0.5, 0.92 if bright else 0.15) if not bright else hsv(hue, 0.12, 0.95), np.uint8
    )
    grid, ink = (hsv(hue, 0.1, 0.75), _INK) if bright else (hsv(hue, 0.3, 0.35), _WHITE)
    count = int(rng.integers(1, 3))
    panels = []
    for number in range(count):
        left = 14 + (WIDTH - 14) * number / count
        area = (left, rng.uniform(12, 26), left + (WIDTH - 14) / count - 18, rng.uniform(116, 132))
        panels.append(
            (area, int(rng.integers(3)), _series(rng), [vivid(rng) for _ in range(5)], rng.uniform(0.15, 0.4))
        )
    for (x0, y0, x1, y1), kind, _, _, _ in panels:
        if kind == 2:
            continue
        for y in np.linspace(y0, y1, 6):
            stroke(ground, [(x0, y), (x1, y)], grid)
        stroke(ground, [(x0, y0), (x0, y1), (x1, y1)], ink, width=2)

    def paint(t: float) -> Image:
        image = ground.copy()
        for area, kind, values, colours, speed in panels:
            _CHARTS[kind](image, area, values, colours, min(1.0, 0.45 + speed * t))
        return image

    return paint


def _series(rng: np.random.Generator) -> NDArray[np.float64]:
    values: NDArray[np.float64] = np.cumsum(rng.normal(0, 0.25, int(rng.integers(6, 13))))
    low, high = float(values.min()), float(values.max())
    return (values - low) / (high - low + 1e-6) * 0.75 + 0.15


_Area = tuple[float, float, float, float]


def _bars(image: Image, area: _Area, values: np.ndarray, colours: list[Colour], grown: float) -> None:
    x0, y0, x1, y1 = area
    width = (x1 - x0) / len(values)
    for number, value in enumerate(values):
        left = x0 + width * (number + 0.2)
        box(image, left, y1 - value * grown * (y1 - y0), left + 0.65 * width, y1, colours[number % 2])


def _curve(image: Image, area: _Area, values: np.ndarray, colours: list[Colour], grown: float) -> None:
    x0, y0, x1, y1 = area
    shown = max(2, round(grown * len(values)))
    points = np.column_stack([np.linspace(x0, x1, len(values)), y1 - values * (y1 - y0)])[:shown]
    stroke(image, points, colours[0], width=3)
    for x, y in points:
        disc(image, x, y, 2.5, colours[1])


def _pie(image: Image, area: _Area, values: np.ndarray, colours: list[Colour], grown: float) -> None:
    x0, y0, x1, y1 = area
    radius = 0.42 * min(x1 - x0, y1 - y0)
    edges = np.concatenate([[0], np.cumsum(values[:5]) / values[:5].sum()]) * 2 * np.pi * grown
    centre = np.array([(x0 + x1) / 2, (y0 + y1) / 2])
    for number in range(len(edges) - 1):
        turn = np.linspace(edges[number], edges[number + 1], 16)
        rim = centre + radius * np.column_stack([np.sin(turn), -np.cos(turn)])
        polygon(image, np.vstack([centre, rim]), colours[number])


_CHARTS = (_bars, _curve, _pie)
