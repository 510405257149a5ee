"""What a moving-shapes clip shows, before any pixel: a scene, and where its sprite is when.

Lengths are fractions of the frame's side, x to the right and y down, times in seconds and angles
in radians. The scene wraps around: what leaves on one side comes back on the other.
"""

from dataclasses import dataclass
from math import pi, tau

import numpy as np

from pyoco_eval.shapes.captions import (
    BACKGROUND_COLOURS,
    BACKGROUNDS,
    COLOURS,
    HEADINGS,
    SIZES,
    SPEEDS,
    TEXTURES,
    ShapeAttributes,
)

_RADII = {"small": (0.13, 0.16), "large": (0.22, 0.26)}
_ROUND_SHAPES = ("circle", "ring")
# Seconds for one cycle (for a slide: to cross the frame), slow and quick.
_PERIODS = {
    "slide": (5.0, 2.0),
    "bounce": (1.8, 0.9),
    "orbit": (5.0, 2.0),
    "zoom": (6.5, 2.8),
    "spin": (5.0, 1.8),
    "wobble": (3.2, 1.3),
    "fade": (6.5, 2.8),
    "swing": (4.0, 1.6),
}
_DIRECTIONS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
_PLACES = 6
"""Decimal places that poses are rounded to, so that pixels do not hang on a machine's sine."""


@dataclass(frozen=True)
class Scene:
    """One scene: the attributes a caption tells, and the numbers that it does not.

    Attributes:
        x, y: place of the sprite at rest.
        radius: of the sprite at rest.
        tilt: angle of the sprite at rest.
        period: seconds per cycle of the motion.
        start: phase of an orbit at time 0, in cycles.
        shade: brightness of the sprite's colour and of the background's, each around 1.
        grain: seed of the background's own placing.
    """

    attributes: ShapeAttributes
    x: float
    y: float
    radius: float
    tilt: float
    period: float
    start: float
    shade: tuple[float, float]
    grain: int


@dataclass(frozen=True)
class Pose:
    """Where the sprite is at each of T times; every field is float64 of shape (T,)."""

    x: np.ndarray
    y: np.ndarray
    radius: np.ndarray
    angle: np.ndarray
    shear: np.ndarray
    opacity: np.ndarray


def draw_scene(generator: np.random.Generator, shape: str, motion: str) -> Scene:
    """A random scene of one class; the same draws are used whatever the class."""
    choice = generator.random(8)
    amount = generator.random(7)
    # A plain disc or ring that spins looks still.
    textures = TEXTURES[1:] if motion == "spin" and shape in _ROUND_SHAPES else TEXTURES
    attributes = ShapeAttributes(
        size=_pick(SIZES, choice[0]),
        texture=_pick(textures, choice[1]),
        colour=_pick(COLOURS, choice[2]),
        shape=shape,
        motion=motion,
        heading=_pick(HEADINGS[motion], choice[3]),
        speed=_pick(SPEEDS, choice[4]),
        background_colour=_pick(BACKGROUND_COLOURS, choice[5]),
        background=_pick(BACKGROUNDS, choice[6]),
    )
    smallest, largest = _RADII[attributes.size]
    period = _PERIODS[motion][SPEEDS.index(attributes.speed)]
    return Scene(
        attributes=attributes,
        x=0.3 + 0.4 * amount[0],
        y=0.3 + 0.4 * amount[1],
        radius=smallest + (largest - smallest) * amount[2],
        tilt=0.5 * (amount[3] - 0.5),
        period=period * (0.85 + 0.3 * amount[4]),
        start=choice[7],
        shade=(0.9 + 0.15 * amount[5], 0.8 + 0.4 * amount[6]),
        grain=int(generator.integers(2**32)),
    )


def pose_at(scene: Scene, times: np.ndarray) -> Pose:
    """The sprite at `times` (T,) seconds; a motion is a function of time alone, not of frames."""
    still = np.zeros_like(times)
    pose = {
        "x": still + scene.x,
        "y": still + scene.y,
        "radius": still + scene.radius,
        "angle": still + scene.tilt,
        "shear": still,
        "opacity": still + 1,
    }
    pose |= _MOTIONS[scene.attributes.motion](scene, times / scene.period)
    return Pose(**{name: np.round(values, _PLACES) for name, values in pose.items()})


def _pick(choices: tuple[str, ...], fraction: float) -> str:
    return choices[int(fraction * len(choices))]


# Each motion maps a scene and time in cycles to the parts of the pose that it moves.


def _slide(scene: Scene, cycles: np.ndarray) -> dict[str, np.ndarray]:
    right, down = _DIRECTIONS[scene.attributes.heading]
    # It sets out from the side that it moves away from.
    x = scene.x - 0.3 * right + right * cycles
    y = scene.y - 0.3 * down + down * cycles
    return {"x": x % 1, "y": y % 1}


def _bounce(scene: Scene, cycles: np.ndarray) -> dict[str, np.ndarray]:
    floor = 0.95 - scene.radius
    height = 0.85 * (floor - scene.radius)
    flight = cycles % 1
    return {"y": floor - height * 4 * flight * (1 - flight)}


def _orbit(scene: Scene, cycles: np.ndarray) -> dict[str, np.ndarray]:
    phase = tau * (scene.start + _turn(scene) * cycles)
    reach = 0.46 - scene.radius
    return {"x": 0.5 + reach * np.cos(phase), "y": 0.5 + reach * np.sin(phase)}


def _zoom(scene: Scene, cycles: np.ndarray) -> dict[str, np.ndarray]:
    return {"radius": scene.radius * (0.55 + 0.8 * _swell(cycles))}


def _spin(scene: Scene, cycles: np.ndarray) -> dict[str, np.ndarray]:
    return {"angle": scene.tilt + _turn(scene) * tau * cycles}


def _wobble(scene: Scene, cycles: np.ndarray) -> dict[str, np.ndarray]:
    del scene
    return {"shear": 0.9 * np.sin(tau * cycles)}


def _fade(scene: Scene, cycles: np.ndarray) -> dict[str, np.ndarray]:
    del scene
    return {"opacity": 0.1 + 0.9 * _swell(cycles)}


def _swing(scene: Scene, cycles: np.ndarray) -> dict[str, np.ndarray]:
    length = 0.85 - scene.radius
    side = 1 if scene.start < 0.5 else -1
    lean = side * (pi / 7) * np.cos(tau * cycles)
    return {
        "x": 0.5 + length * np.sin(lean),
        "y": 0.05 + length * np.cos(lean),
        "angle": -lean,
    }


def _turn(scene: Scene) -> int:
    return 1 if scene.attributes.heading == "clockwise" else -1


def _swell(cycles: np.ndarray) -> np.ndarray:
    """From 0 to 1 and back in each cycle, smoothly."""
    return (1 - np.cos(tau * cycles)) / 2


_MOTIONS = {
    "slide": _slide,
    "bounce": _bounce,
    "orbit": _orbit,
    "zoom": _zoom,
    "spin": _spin,
    "wobble": _wobble,
    "fade": _fade,
    "swing": _swing,
}
