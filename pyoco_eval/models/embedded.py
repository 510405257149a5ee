"""Models that come with the package: `embedded:shapes-image` and `embedded:shapes-video`.

They draw moving shapes and were trained by scripts/train_generator.py; the weights lie in bfloat16
beside this file and are used in float32. Wherever a model's folder is taken, so is such a name.
"""

from pathlib import Path
from typing import Final

from pyoco_eval.errors import UsageError

PREFIX: Final = "embedded:"
FOLDER: Final = Path(__file__).parent / "embedded_weights"


def embedded_names() -> list[str]:
    """The names, with their prefix."""
    return [PREFIX + path.parent.name for path in sorted(FOLDER.glob("*/model.json"))]


def located(place: Path) -> Path:
    """The folder of the embedded model that `place` names; any other place as it is.

    Raises:
        UsageError: there is no embedded model of this name.
    """
    text = str(place)
    if not text.startswith(PREFIX):
        return place
    if text not in embedded_names():
        raise UsageError(f"{text}: the embedded models are {', '.join(embedded_names())}")
    return FOLDER / text.removeprefix(PREFIX)
