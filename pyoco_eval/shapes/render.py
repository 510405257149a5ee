"""Pixels of a moving-shapes scene: signed distances, anti-aliased over one pixel.

Axes: T frames, H = W = the frame's side, h = w = the side of the window around the sprite.
Everything per pixel is float32 addition, multiplication, division, square root, minimum and
maximum, which IEEE 754 rounds alike on every machine.
"""

from collections.abc import Callable
from math import cos, pi, sin, sqrt

import numpy as np

from pyoco_eval.seeding import numpy_generator
from pyoco_eval.shapes.scene import Pose, Scene, pose_at

_COLOURS = {
    "red": (232, 52, 46),
    "orange": (246, 140, 30),
    "yellow": (250, 218, 54),
    "green": (74, 196, 84),
    "blue": (66, 138, 250),
    "purple": (164, 84, 226),
    "pink": (250, 138, 194),
    "white": (244, 244, 244),
}
_BACKGROUND_COLOURS = {
    "grey": (92, 94, 98),
    "brown": (104, 72, 44),
    "navy": (34, 46, 98),
    "teal": (20, 92, 96),
    "maroon": (100, 28, 46),
    "olive": (88, 94, 38),
}
_INK = 0.45
"""Brightness of a sprite's texture, beside its colour."""
_OUTLINE = 0.25
"""Brightness of a sprite's outline, beside its colour."""
_REACH = 1.9
"""Half-side of the window around a sprite, in radii: as far as the tips of a sheared star go."""

Field = np.ndarray
"""float32 array over pixels, of any shape."""


def render_scene(scene: Scene, times: np.ndarray, size: int) -> np.ndarray:
    """Frames of a scene.

    Args:
        scene: what to show.
        times: (T,) seconds.
        size: side of the frames in pixels.

    Returns:
        uint8 (T, size, size, 3) RGB.
    """
    pose = pose_at(scene, times)
    frames = np.repeat(_to_uint8(_background(scene, size))[None], len(times), axis=0)
    side = min(size, 2 * int(_REACH * size * pose.radius.max()) + 5)
    time = np.arange(len(times))[:, None, None]
    rows, dy = _window(pose.y, side, size)
    columns, dx = _window(pose.x, side, size)
    area = (time, rows[:, :, None], columns[:, None, :])
    paint, cover = _sprite(scene, pose, dy[:, :, None], dx[:, None, :], size)
    below = frames[area].astype(np.float32)
    frames[area] = _to_uint8(below + cover[..., None] * (paint - below))
    return frames


def _window(centre: Field, side: int, size: int) -> tuple[np.ndarray, Field]:
    """Pixel indices (T, side) around `centre` (T,), wrapped, and their offsets from it."""
    first = np.floor(centre * size - side / 2 + 0.5).astype(int)
    pixels = first[:, None] + np.arange(side)
    offset = (pixels + 0.5) / size - centre[:, None]
    return pixels % size, offset.astype(np.float32)


def _sprite(scene: Scene, pose: Pose, dy: Field, dx: Field, size: int) -> tuple[Field, Field]:
    """Colour (T, h, w, 3) in 0..255 and coverage (T, h, w) in 0..1 of the sprite."""
    turns = np.round(np.cos(pose.angle), 6), np.round(np.sin(pose.angle), 6)
    radius, shear, opacity, turn_x, turn_y = (
        values.astype(np.float32)[:, None, None]
        for values in (pose.radius, pose.shear, pose.opacity, *turns)
    )
    right = (dx + shear * dy) / radius
    down = dy / radius
    u = turn_x * right + turn_y * down
    v = turn_x * down - turn_y * right
    pixels = radius * size
    depth = _DISTANCES[scene.attributes.shape](u, v) * -pixels
    outline = np.float32(max(1.0, size / 48))
    cover = np.clip(depth + 0.5, 0, 1) * opacity
    ink = _TEXTURES[scene.attributes.texture](u, v, pixels)
    shade = 1 - np.float32(1 - _INK) * ink
    rim = np.clip(outline + 0.5 - depth, 0, 1)
    shade = shade + rim * (_OUTLINE - shade)
    colour = np.asarray(_COLOURS[scene.attributes.colour], np.float32)
    colour = np.minimum(colour * np.float32(scene.shade[0]), 255)
    return shade[..., None] * colour, cover


def _background(scene: Scene, size: int) -> Field:
    """(H, W, 3) in 0..255."""
    generator = numpy_generator("background", scene.grain)
    x = ((np.arange(size) + 0.5) / size).astype(np.float32)
    light = _BACKGROUNDS[scene.attributes.background](x[:, None], x[None, :], size, generator)
    colour = np.asarray(_BACKGROUND_COLOURS[scene.attributes.background_colour], np.float32)
    tones = np.float32(0.75) + np.float32(0.5) * np.broadcast_to(light, (size, size))
    ground: Field = tones[..., None] * (colour * np.float32(scene.shade[1]))
    return ground


def _to_uint8(values: Field) -> np.ndarray:
    return np.clip(values + np.float32(0.5), 0, 255).astype(np.uint8)


# Distances: negative inside; the sprite's coordinates reach about 1.


def _circle(u: Field, v: Field) -> Field:
    field: Field = np.sqrt(u * u + v * v) - 1
    return field


def _square(u: Field, v: Field) -> Field:
    field: Field = np.maximum(np.abs(u), np.abs(v)) - np.float32(0.86)
    return field


def _triangle(u: Field, v: Field) -> Field:
    slant = np.abs(u) * np.float32(sqrt(3) / 2) - v * np.float32(0.5)
    field: Field = np.maximum(v, slant) - np.float32(0.56)
    return field


def _ring(u: Field, v: Field) -> Field:
    field: Field = np.abs(np.sqrt(u * u + v * v) - np.float32(0.74)) - np.float32(0.3)
    return field


def _cross(u: Field, v: Field) -> Field:
    across, along = np.abs(u), np.abs(v)
    bar = np.maximum(across - 1, along - np.float32(0.36))
    field: Field = np.minimum(bar, np.maximum(along - 1, across - np.float32(0.36)))
    return field


def _star(u: Field, v: Field) -> Field:
    # A point is in the pentagram when at most one of its five lines leaves it outside.
    most = np.full(np.broadcast_shapes(u.shape, v.shape), -9, np.float32)
    second = most
    for line in range(5):
        angle = pi * (0.5 + 0.4 * line)
        distance = u * np.float32(round(cos(angle), 6)) + v * np.float32(round(sin(angle), 6))
        second = np.maximum(second, np.minimum(most, distance))
        most = np.maximum(most, distance)
    field: Field = second - np.float32(0.42)
    return field


# Textures: 0 to 1 over coordinates where `pixels` pixels make one unit.


def _plain(u: Field, v: Field, pixels: Field | float) -> Field:
    del v, pixels
    return np.zeros_like(u)


def _striped(u: Field, v: Field, pixels: Field | float) -> Field:
    return _bands((u + v) * np.float32(sqrt(0.5)), pixels, 0.52)


def _bands(across: Field, pixels: Field | float, period: float) -> Field:
    cell = across / np.float32(period)
    cell = np.abs(cell - np.floor(cell) - np.float32(0.5))
    return np.clip((np.float32(0.25) - cell) * (np.float32(period) * pixels) + 0.5, 0, 1)


def _checked(u: Field, v: Field, pixels: Field | float, period: float = 0.8) -> Field:
    rows, columns = _bands(u, pixels, period), _bands(v, pixels, period)
    field: Field = rows + columns - 2 * rows * columns
    return field


def _dotted(u: Field, v: Field, pixels: Field | float, period: float = 0.55) -> Field:
    cell_u, cell_v = u / np.float32(period), v / np.float32(period)
    cell_u = cell_u - np.floor(cell_u) - np.float32(0.5)
    cell_v = cell_v - np.floor(cell_v) - np.float32(0.5)
    depth = np.float32(0.3) - np.sqrt(cell_u * cell_u + cell_v * cell_v)
    field: Field = np.clip(depth * (np.float32(period) * pixels) + 0.5, 0, 1)
    return field


# Backgrounds: 0 (dark) to 1 (light) over (H, W).


def _plain_ground(y: Field, x: Field, size: int, generator: np.random.Generator) -> Field:
    del y, x, size, generator
    return np.full((1, 1), 0.5, np.float32)


def _gradient(y: Field, x: Field, size: int, generator: np.random.Generator) -> Field:
    del size
    right, down = _direction(generator)
    slope = (x - np.float32(0.5)) * right + (y - np.float32(0.5)) * down
    field: Field = np.clip(
        slope * np.float32(1.7) + np.float32(0.5), np.float32(-0.35), np.float32(1.35)
    )
    return field


def _stripes(y: Field, x: Field, size: int, generator: np.random.Generator) -> Field:
    right, down = _direction(generator)
    period = 0.14 + 0.08 * generator.random()
    return _bands(x * right + y * down, size, period)


def _checks(y: Field, x: Field, size: int, generator: np.random.Generator) -> Field:
    period = 0.22 + 0.12 * generator.random()
    shift = generator.random(2, np.float32)
    return _checked(y + shift[0], x + shift[1], size, period)


def _dots(y: Field, x: Field, size: int, generator: np.random.Generator) -> Field:
    period = 0.14 + 0.08 * generator.random()
    shift = generator.random(2, np.float32)
    return _dotted(y + shift[0], x + shift[1], size, period)


def _clouds(y: Field, x: Field, size: int, generator: np.random.Generator) -> Field:
    del size
    coarse, fine = _lattice(y, x, 4, generator), _lattice(y, x, 11, generator)
    field: Field = np.float32(1.2) * coarse + np.float32(0.6) * fine - np.float32(0.4)
    return field


def _lattice(y: Field, x: Field, cells: int, generator: np.random.Generator) -> Field:
    """Smooth noise in 0..1: random values on a lattice, joined by cubic steps."""
    knots = generator.random((cells + 1, cells + 1), np.float32)
    row, column = np.floor(y * cells).astype(int), np.floor(x * cells).astype(int)
    down, right = y * cells - row, x * cells - column
    down, right = down * down * (3 - 2 * down), right * right * (3 - 2 * right)
    upper = knots[row, column] + right * (knots[row, column + 1] - knots[row, column])
    lower = knots[row + 1, column] + right * (knots[row + 1, column + 1] - knots[row + 1, column])
    return np.asarray(upper + down * (lower - upper), np.float32)


def _direction(generator: np.random.Generator) -> tuple[np.float32, np.float32]:
    angle = 2 * pi * generator.random()
    return np.float32(round(cos(angle), 6)), np.float32(round(sin(angle), 6))


_DISTANCES: dict[str, Callable[[Field, Field], Field]] = {
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "ring": _ring,
    "cross": _cross,
}
_TEXTURES: dict[str, Callable[[Field, Field, Field | float], Field]] = {
    "plain": _plain,
    "striped": _striped,
    "dotted": _dotted,
    "checked": _checked,
}
_BACKGROUNDS: dict[str, Callable[[Field, Field, int, np.random.Generator], Field]] = {
    "plain": _plain_ground,
    "gradient": _gradient,
    "stripes": _stripes,
    "checks": _checks,
    "dots": _dots,
    "clouds": _clouds,
}
