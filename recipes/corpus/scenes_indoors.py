"""Picture kinds of kitchen, stage and studio: parameters drawn once, then a painter."""

import cv2
import numpy as np

from framegate.recipes.corpus.canvas import (
    HEIGHT,
    WIDTH,
    Image,
    Painter,
    box,
    disc,
    ellipse,
    gradient,
    hsv,
    polygon,
    shade,
    stroke,
    vivid,
    wave,
)

__all__ = ["pans", "stage", "studio"]

_INK = (25, 25, 30)
_WHITE = (240, 240, 240)


def pans(rng: np.random.Generator, hue: float) -> Painter:
    """One to three pans from above on a worktop of planks or tiles, with food that shakes in them."""
    worktop = _worktop(rng, hue)
    count = int(rng.integers(1, 4))
    pans_at = []
    for number in range(count):
        radius = rng.uniform(30, 52) if count == 1 else rng.uniform(24, 36)
        centre = (WIDTH * (number + 0.5) / count + rng.uniform(-10, 10), rng.uniform(50, 94))
        pans_at.append((centre, radius, rng.uniform(0, 2 * np.pi), hsv(rng.random(), 0.15, rng.uniform(0.12, 0.35))))
    food = []
    for centre, radius, _, _ in pans_at:
        colours = [vivid(rng) for _ in range(2)]
        for _ in range(int(rng.integers(4, 10))):
            angle, far = rng.uniform(0, 2 * np.pi), radius * 0.62 * np.sqrt(rng.random())
            at = (centre[0] + far * np.cos(angle), centre[1] + far * np.sin(angle))
            shape = (rng.uniform(3.5, 9), rng.uniform(2.5, 6))
            food.append((at, shape, rng.uniform(0, 180), rng.random(), colours[int(rng.integers(2))]))
    shake = rng.uniform(0.6, 2.5)

    def paint(t: float) -> Image:
        image = worktop.copy()
        for (x, y), radius, angle, metal in pans_at:
            handle = np.array([np.cos(angle), np.sin(angle)])
            stroke(image, np.array([(x, y) + radius * handle, (x, y) + radius * 2.1 * handle]), _INK, width=8)
            disc(image, x, y, radius, (150, 150, 155))
            disc(image, x, y, radius - 2.5, metal)
            disc(image, x, y, radius * 0.8, shade(metal, 1.4))
        for (x, y), shape, angle, phase, colour in food:
            dx, dy = shake * wave(t, period=0.7, phase=phase), shake * wave(t, period=0.9, phase=phase + 0.3)
            ellipse(image, x + dx, y + dy, shape, shade(colour, 0.5), angle=angle + 20 * t)
            ellipse(image, x + dx - 0.7, y + dy - 0.7, (shape[0] - 1, shape[1] - 1), colour, angle=angle + 20 * t)
        return image

    return paint


def _worktop(rng: np.random.Generator, hue: float) -> Image:
    base = rng.uniform(0.45, 0.85)
    image = np.full((HEIGHT, WIDTH, 3), hsv(hue, rng.uniform(0.1, 0.6), base), np.uint8)
    joint = hsv(hue, 0.4, base * 0.75)
    step = int(rng.integers(18, 40))
    for y in range(int(rng.integers(step)), HEIGHT, step):
        stroke(image, [(0, y), (WIDTH, y)], joint)
    if rng.random() < 0.5:  # tiles; otherwise planks
        for x in range(int(rng.integers(step)), WIDTH, step):
            stroke(image, [(x, 0), (x, HEIGHT)], joint)
    return image


def stage(rng: np.random.Generator, hue: float) -> Painter:
    """A dark hall: sweeping beams of coloured light, performers, and the heads of the audience."""
    hall = gradient(hsv(hue, 0.6, rng.uniform(0.02, 0.15)), hsv(hue + 0.1, 0.6, rng.uniform(0.1, 0.3)))
    beams = [
        (
            rng.uniform(0, WIDTH),
            rng.uniform(-0.5, 0.5),
            rng.uniform(0.2, 0.7),
            rng.uniform(1.2, 4),
            rng.random(),
            vivid(rng),
        )
        for _ in range(int(rng.integers(4, 9)))
    ]
    floor = rng.uniform(92, 112)
    players = [(rng.uniform(35, 221), rng.uniform(26, 40), rng.random()) for _ in range(int(rng.integers(1, 5)))]
    heads = rng.uniform((0, 122, 6), (WIDTH, 140, 10), (int(rng.integers(14, 26)), 3))
    tempo = rng.uniform(0.4, 0.8)

    def paint(t: float) -> Image:
        light = hall.copy()
        for x, lean, swing, period, phase, colour in beams:
            angle = lean + swing * wave(t, period=period, phase=phase)
            foot = x + HEIGHT * np.tan(angle)
            beam = np.zeros_like(light)
            polygon(beam, [(x - 1, -2), (x + 1, -2), (foot + 17, HEIGHT), (foot - 17, HEIGHT)], colour)
            light = cv2.addWeighted(light, 1.0, beam, 0.45, 0)
        box(light, 0, floor, WIDTH, HEIGHT, hsv(hue, 0.4, 0.08))
        for x, height, phase in players:
            _performer(
                light,
                x + 3 * wave(t, period=tempo * 4, phase=phase),
                floor + 4,
                height,
                wave(t, period=tempo, phase=phase),
            )
        for x, y, radius in heads:
            bob = 2 * wave(t, period=tempo, phase=x / 97)
            disc(light, x, y + bob, radius * 0.8, (8, 8, 10))
            ellipse(light, x, y + bob + radius * 1.8, (radius * 1.3, radius * 1.2), (8, 8, 10))
        return light

    return paint


def _performer(image: Image, x: float, foot: float, height: float, swing: float) -> None:
    dark = (12, 12, 16)
    shoulder, hip = foot - 0.75 * height, foot - 0.42 * height
    disc(image, x, foot - 0.9 * height, 0.12 * height, dark)
    stroke(image, [(x, shoulder), (x, hip)], dark, width=0.2 * height)
    for side in (-1, 1):
        stroke(image, [(x, hip), (x + side * 0.14 * height, foot)], dark, width=3)
        hand = (x + side * 0.32 * height, shoulder + (0.15 + 0.2 * swing * side) * height)
        stroke(image, [(x, shoulder), hand], dark, width=3)


def studio(rng: np.random.Generator, hue: float) -> Painter:
    """A newsreader, head and shoulders behind a desk, before a wall of lit panels."""
    wall = gradient(hsv(hue, rng.uniform(0.3, 0.8), rng.uniform(0.2, 0.6)), hsv(hue, 0.6, rng.uniform(0.1, 0.35)))
    columns, rows = int(rng.integers(3, 8)), int(rng.integers(2, 5))
    for column in range(columns):
        for row in range(rows):
            x, y = WIDTH * column / columns, 0.75 * HEIGHT * row / rows
            glow = hsv(hue + rng.uniform(-0.06, 0.06), rng.uniform(0.3, 0.8), rng.uniform(0.3, 0.85))
            box(wall, x + 2, y + 2, x + WIDTH / columns - 2, y + 0.75 * HEIGHT / rows - 2, glow)
    x0, scale = rng.uniform(70, 186), rng.uniform(0.85, 1.35)
    skin = hsv(rng.uniform(0.03, 0.09), rng.uniform(0.25, 0.6), rng.uniform(0.4, 0.95))
    hair = hsv(rng.uniform(0, 0.15), rng.random(), rng.uniform(0.05, 0.6))
    jacket = shade(vivid(rng), rng.uniform(0.3, 0.9))
    desk = hsv(rng.random(), rng.uniform(0.1, 0.6), rng.uniform(0.3, 0.8))
    long_hair, desk_top = rng.random() < 0.5, rng.uniform(118, 130)

    def paint(t: float) -> Image:
        image = wall.copy()
        x = x0 + 3 * wave(t, period=3.1, phase=0.2)
        y = 62 + 1.5 * wave(t, period=1.3, phase=0)
        size = 19 * scale
        if long_hair:
            ellipse(image, x, y + 0.5 * size, (1.15 * size, 1.7 * size), hair)
        ellipse(image, x0, y + 3.3 * size, (2.3 * size, 1.9 * size), jacket)
        polygon(
            image, [(x0 - 0.5 * size, y + 1.4 * size), (x0 + 0.5 * size, y + 1.4 * size), (x0, y + 2.9 * size)], _WHITE
        )
        box(image, x - 0.4 * size, y + 0.8 * size, x + 0.4 * size, y + 1.6 * size, shade(skin, 0.85))
        ellipse(image, x, y - 0.2 * size, (0.95 * size, 1.25 * size), hair)
        ellipse(image, x, y + 0.15 * size, (0.82 * size, 1.08 * size), skin)
        for side in (-1, 1):
            disc(image, x + side * 0.32 * size, y, 0.1 * size, _INK)
        talk = 0.05 + 0.12 * abs(wave(t, period=0.6, phase=0))
        ellipse(image, x, y + 0.68 * size, (0.28 * size, talk * size), (130, 40, 50))
        box(image, 0, desk_top, WIDTH, HEIGHT, desk)
        box(image, 0, desk_top, WIDTH, desk_top + 3, shade(desk, 1.35))
        return image

    return paint
