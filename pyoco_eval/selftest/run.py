"""All stages in their order: each rests on the one before."""

from collections.abc import Callable, Iterator, Sequence

from pyoco_eval.devices import pick_device
from pyoco_eval.selftest.check import Check, Measurement, Skipped, check
from pyoco_eval.selftest.decoding import measure_decoding
from pyoco_eval.selftest.networks import measure_networks
from pyoco_eval.selftest.programs import measure_programs
from pyoco_eval.selftest.resizing import measure_resizing
from pyoco_eval.selftest.scores import measure_invariance, measure_scores, measure_statistics
from pyoco_eval.weights import WeightFile


def devices_present() -> list[str]:
    """Every device PyTorch can use here: `cpu`, `cuda:0`, …, `mps`."""
    import torch

    found = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    return [*found, "mps"] if torch.backends.mps.is_available() else found


def run(
    devices: Sequence[str] = (),
    *,
    quick: bool = False,
    programs: Sequence[WeightFile] = (),
    on_check: Callable[[Check], None] = lambda _: None,
) -> list[Check]:
    """Compute everything again and compare.

    Args:
        devices: where networks run; every device present if none is named.
        quick: fewer clips, and of the published architectures only I3D.
        programs: TorchScript archives that are trusted; each is run, and its port compared.
        on_check: told about every result.

    Raises:
        UsageError, MissingError: a device that is unknown or not here, or an archive without port.
    """
    names = [str(pick_device(name)) for name in devices] or devices_present()
    checks = []
    for measured in _measurements(names, quick, programs):
        checks.append(check(measured))
        on_check(checks[-1])
    return checks


def _measurements(
    devices: Sequence[str], quick: bool, programs: Sequence[WeightFile]
) -> Iterator[Measurement | Skipped]:
    yield from measure_decoding()
    yield from measure_resizing()
    yield from measure_networks(devices, quick=quick)
    yield from measure_programs(list(programs))
    yield from measure_statistics()
    yield from measure_scores(devices, quick=quick)
    yield from measure_invariance(devices)
