"""On request: a network in plain PyTorch beside the TorchScript program it stands for."""

from collections.abc import Iterator
from typing import Final

from pyoco_eval.errors import UsageError
from pyoco_eval.features.i3d.torchscript import INPUT_SIZE, KEY, load_i3d_torchscript
from pyoco_eval.selftest.check import Measurement
from pyoco_eval.selftest.integers import sketch
from pyoco_eval.selftest.networks import TOLERANCE, prepared
from pyoco_eval.videos.resize import IN_NETWORK, ResizeRule
from pyoco_eval.weights import WeightFile

RULES: Final = {
    "resized by the program": ResizeRule(INPUT_SIZE, IN_NETWORK),
    "resized before it": ResizeRule(INPUT_SIZE, "bilinear", "squash"),
}


def measure_programs(files: list[WeightFile]) -> Iterator[Measurement]:
    """Run the program of each archive, which the user trusts, and compare its port with it.

    Raises:
        UsageError: an archive that has no port.
        MissingError, WeightsError: see `load_i3d_torchscript`.
    """
    for file in files:
        if file.key != KEY:
            raise UsageError(f"--trust {file.key}: only {KEY} has a port to compare with")
        for how, rule in RULES.items():
            ported = load_i3d_torchscript(file, resize=rule)
            program = load_i3d_torchscript(file, resize=rule, trusted=True)
            found, expected = (
                sketch(extractor.extract(prepared(extractor)).numpy())
                for extractor in (ported, program)
            )
            yield Measurement(
                "programs",
                f"{KEY}@{file.short}, {how}: port against program",
                found,
                TOLERANCE,
                expected=expected,
            )
