"""Picture kinds that play outdoors. Each function draws a scene's random parameters once and returns its painter."""

from collections.abc import Callable

import numpy as np

from framegate.recipes.corpus.canvas import (
    HEIGHT,
    WIDTH,
    Colour,
    Image,
    Painter,
    disc,
    ellipse,
    gradient,
    hsv,
    polygon,
    smooth_noise,
    stroke,
    vivid,
    wave,
)

__all__ = ["mountains", "pitch", "track", "underwater"]

_WHITE = (240, 240, 240)


def pitch(rng: np.random.Generator, hue: float) -> Painter:
    """A mown field with its lines, two teams that run about, and a ball."""
    turf = hsv(hue, rng.uniform(0.3, 0.8), rng.uniform(0.35, 0.6))
    mown = hsv(hue, rng.uniform(0.3, 0.8), rng.uniform(0.4, 0.7))
    stripes = int(rng.integers(6, 13))
    place = _oblique_view(rng)
    ground = np.full((HEIGHT, WIDTH, 3), hsv(rng.random(), 0.3, 0.3), np.uint8)
    for stripe in range(stripes):
        a, b = stripe / stripes, (stripe + 1) / stripes
        polygon(ground, place(np.array([(a, 0), (b, 0), (b, 1), (a, 1)])), turf if stripe % 2 else mown)
    for line in _pitch_lines():
        stroke(ground, place(line), _WHITE, width=rng.uniform(1, 2.4))
    teams = (vivid(rng), vivid(rng))
    home = rng.uniform(0.05, 0.95, (int(rng.integers(10, 19)), 2))
    reach, period, phase = (
        rng.uniform(0.03, 0.12, home.shape),
        rng.uniform(2, 6, home.shape),
        rng.random(home.shape),
    )
    size = rng.uniform(2.2, 4.0)

    def paint(t: float) -> Image:
        image = ground.copy()
        where = place(home + reach * np.sin(2 * np.pi * (t / period + phase)))
        for player, (x, y) in enumerate(where[1:]):
            ellipse(image, x, y + size, (size, size * 0.5), (25, 35, 25))
            ellipse(image, x, y, (size * 0.7, size * 1.3), teams[player % 2])
            disc(image, x, y - size * 1.5, size * 0.55, (225, 180, 150))
        disc(image, where[0, 0], where[0, 1], size * 0.6, _WHITE)
        return image

    return paint


def _oblique_view(rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
    """From field coordinates (0–1 each way) to pixels: turned a little, and narrower at the far side."""
    angle, narrow = rng.uniform(-0.25, 0.25), rng.uniform(0.0, 0.45)
    span, centre = rng.uniform((260, 130), (420, 210)), rng.uniform((88, 52), (168, 92))

    def place(points: np.ndarray) -> np.ndarray:
        x, y = points[:, 0] - 0.5, points[:, 1] - 0.5
        x = x * (1 - narrow * (0.5 - y))
        turned = np.stack([x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)], axis=1)
        return turned * span + centre

    return place


def _pitch_lines() -> list[np.ndarray]:
    turn = np.linspace(0, 2 * np.pi, 40)
    circle = np.stack([0.5 + 0.09 * np.cos(turn), 0.5 + 0.14 * np.sin(turn)], axis=1)
    border = np.array([(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)])
    halfway = np.array([(0.5, 0), (0.5, 1)])
    area = np.array([(0, 0.22), (0.16, 0.22), (0.16, 0.78), (0, 0.78)])
    goal = np.array([(0, 0.36), (0.06, 0.36), (0.06, 0.64), (0, 0.64)])
    far_area, far_goal = (np.array([1, 0]) + np.array([-1, 1]) * near for near in (area, goal))
    return [border, halfway, circle, area, goal, far_area, far_goal]


def track(rng: np.random.Generator, hue: float) -> Painter:
    """A winding road with striped kerbs, seen from above, and cars that follow it."""
    ground = np.full((HEIGHT, WIDTH, 3), hsv(hue, rng.uniform(0.2, 0.7), rng.uniform(0.35, 0.75)), np.uint8)
    ground = _mottle(ground, rng)
    course = _closed_course(rng)
    road = rng.uniform(20, 34)
    grey = hsv(rng.random(), 0.08, rng.uniform(0.25, 0.5))
    kerb = vivid(rng)
    stroke(ground, course, _WHITE, width=road + 7, closed=True)
    for start in range(0, len(course), 8):
        stroke(ground, course[start : start + 5], kerb, width=road + 7)
    stroke(ground, course, grey, width=road, closed=True)
    if rng.random() < 0.5:
        for start in range(0, len(course), 12):
            stroke(ground, course[start : start + 5], _WHITE, width=1)
    cars = [
        (rng.random(), rng.uniform(0.07, 0.16), rng.uniform(-0.25, 0.25) * road, vivid(rng))
        for _ in range(int(rng.integers(5, 10)))
    ]
    direction = rng.choice([-1, 1])
    length = rng.uniform(6, 9)

    def paint(t: float) -> Image:
        image = ground.copy()
        for start, speed, offset, colour in cars:
            _car(image, course, (start + direction * speed * t) % 1.0, offset, length, colour)
        return image

    return paint


def _closed_course(rng: np.random.Generator) -> np.ndarray:
    """A closed curve (300, 2) around the middle of the picture: a circle with a few random harmonics."""
    turn = np.linspace(0, 2 * np.pi, 300, endpoint=False)
    radius = np.ones_like(turn)
    for harmonic in (2, 3, 4):
        radius += rng.uniform(0.0, 0.24) * np.sin(harmonic * turn + rng.uniform(0, 2 * np.pi))
    across, up = rng.uniform(70, 105), rng.uniform(40, 58)
    return np.stack([128 + across * radius * np.cos(turn), 72 + up * radius * np.sin(turn)], axis=1)


def _car(image: Image, course: np.ndarray, place: float, offset: float, length: float, colour: Colour) -> None:
    here = int(place * len(course))
    ahead = course[(here + 3) % len(course)] - course[here - 3]
    along = ahead / (np.linalg.norm(ahead) + 1e-6)
    side = np.array([-along[1], along[0]])
    centre = course[here] + side * offset
    corners = [
        centre + a * length * along + b * length * 0.5 * side for a, b in ((1, 0.6), (1, -0.6), (-1, -1), (-1, 1))
    ]
    polygon(image, np.array(corners), colour)
    cabin = centre - 0.1 * length * along
    disc(image, cabin[0], cabin[1], length * 0.32, (25, 25, 35))


def mountains(rng: np.random.Generator, hue: float) -> Painter:
    """Layers of jagged ridges under a sky with a sun and clouds; near layers drift faster."""
    sky = gradient(
        hsv(hue, rng.uniform(0.2, 0.7), rng.uniform(0.5, 1.0)), hsv(rng.random(), 0.25, rng.uniform(0.75, 1))
    )
    disc(sky, rng.uniform(20, 236), rng.uniform(12, 50), rng.uniform(6, 14), hsv(rng.random(), 0.2, 1.0))
    drift = rng.uniform(2, 9) * rng.choice([-1, 1])
    layers = []
    count = int(rng.integers(3, 6))
    base_hue, snow = rng.random(), rng.random() < 0.5
    for layer in range(count):
        near = layer / (count - 1)
        colour = hsv(base_hue + 0.05 * layer, 0.15 + 0.45 * near, 0.75 - rng.uniform(0.4, 0.55) * near)
        layers.append((_ridge(rng, height=rng.uniform(34, 48) * (1 - 0.4 * near)), 58 + 70 * near, colour, 0.3 + near))
    clouds = rng.uniform((0, 8), (WIDTH, 52), (int(rng.integers(1, 5)), 2))

    def paint(t: float) -> Image:
        image = sky.copy()
        for x, y in clouds:
            for puff in (-9, 0, 10):
                ellipse(image, (x + 3 * t + puff) % (WIDTH + 40) - 20, y - 2 * (puff == 0), (11, 4.5), (235, 238, 242))
        for number, (ridge, level, colour, speed) in enumerate(layers):
            offset = int(len(ridge) // 3 + drift * speed * t)
            top = level - ridge[offset : offset + WIDTH + 1]
            outline = np.column_stack([np.arange(WIDTH + 1), top])
            polygon(image, np.vstack([outline, [(WIDTH, HEIGHT), (0, HEIGHT)]]), colour)
            if snow and number == 0:
                cap = np.minimum(top + 6, level - 14)
                polygon(
                    image,
                    np.vstack([outline, np.column_stack([np.arange(WIDTH + 1), np.maximum(top, cap)])[::-1]]),
                    _WHITE,
                )
        return image

    return paint


def _ridge(rng: np.random.Generator, *, height: float) -> np.ndarray:
    """Heights of a jagged skyline three pictures wide: midpoints displaced, each octave half as far as the last."""
    total = np.zeros(3 * WIDTH)
    for octave in range(5):
        knots = 8 * 2**octave
        line = np.interp(np.linspace(0, knots, 3 * WIDTH), np.arange(knots + 1), rng.uniform(-1, 1, knots + 1))
        total += line / 2**octave
    return height * total


def underwater(rng: np.random.Generator, hue: float) -> Painter:
    """Water that darkens with depth, rays from above, swaying weed, rising bubbles and schools of fish."""
    water = gradient(hsv(hue, 0.5, rng.uniform(0.7, 1.0)), hsv(hue + 0.05, 0.8, rng.uniform(0.15, 0.4)))
    glow = (0.25 * smooth_noise(rng, (2, int(rng.integers(8, 20)))) * np.linspace(255, 0, HEIGHT)[:, None]).astype(
        np.uint8
    )
    water = np.minimum(water.astype(np.uint16) + glow[:, :, None], 255).astype(np.uint8)
    polygon(water, _sea_floor(rng), hsv(rng.random(), 0.35, rng.uniform(0.25, 0.6)))
    fish = [
        (
            rng.uniform(0, WIDTH),
            rng.uniform(15, 118),
            rng.uniform(12, 34) * rng.choice([-1, 1]),
            rng.uniform(5, 15),
            vivid(rng),
        )
        for _ in range(int(rng.integers(4, 10)))
    ]
    weed = [(rng.uniform(0, WIDTH), rng.uniform(18, 60), rng.random()) for _ in range(int(rng.integers(4, 14)))]
    weed_colour = hsv(rng.random(), 0.6, rng.uniform(0.2, 0.5))
    bubbles = rng.uniform((0, 0, 1.2), (WIDTH, HEIGHT, 3.5), (int(rng.integers(8, 24)), 3))

    def paint(t: float) -> Image:
        image: Image = water.copy()
        rise = np.linspace(0, 1, 10)
        for x, height, phase in weed:
            sway = 5 * rise * np.sin(2 * np.pi * (t / 3 + phase + 0.6 * rise))
            stroke(image, np.column_stack([x + sway, HEIGHT - height * rise]), weed_colour, width=3)
        for x, y, radius in bubbles:
            disc(
                image,
                x + 2 * wave(t, period=1.5, phase=y / 20),
                (y - 22 * t) % HEIGHT,
                radius,
                (215, 235, 240),
                width=1,
            )
        for x, y, speed, size, colour in fish:
            _fish(
                image,
                (x + speed * t + 30) % (WIDTH + 60) - 30,
                y + 3 * wave(t, period=2, phase=x),
                np.sign(speed) * size,
                colour,
            )
        return image

    return paint


def _sea_floor(rng: np.random.Generator) -> np.ndarray:
    x = np.linspace(0, WIDTH, 20)
    return np.vstack([np.column_stack([x, HEIGHT - rng.uniform(4, 20, 20)]), [(WIDTH, HEIGHT), (0, HEIGHT)]])


def _fish(image: Image, x: float, y: float, size: float, colour: Colour) -> None:
    """A fish that faces the way of the sign of ``size``."""
    length = abs(size)
    polygon(
        image, [(x - 0.8 * size, y), (x - 1.6 * size, y - 0.55 * length), (x - 1.6 * size, y + 0.55 * length)], colour
    )
    ellipse(image, x, y, (length, 0.5 * length), colour)
    disc(image, x + 0.55 * size, y - 0.1 * length, max(1.0, 0.13 * length), (15, 15, 20))


def _mottle(image: Image, rng: np.random.Generator) -> Image:
    """Uneven ground: brightness varies by a fifth over blots."""
    field = 0.8 + 0.4 * smooth_noise(rng, (9, 16))
    return np.clip(image * field[:, :, None], 0, 255).astype(np.uint8)
