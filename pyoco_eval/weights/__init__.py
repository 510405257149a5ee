"""Published network weights: what they are, where they are found, how they are verified."""

from pyoco_eval.weights.fetch import fetch
from pyoco_eval.weights.manifest import MANIFEST, PublishedFile, WeightFile
from pyoco_eval.weights.resolve import parse_overrides, remember, resolve

__all__ = [
    "MANIFEST",
    "PublishedFile",
    "WeightFile",
    "fetch",
    "parse_overrides",
    "remember",
    "resolve",
]
