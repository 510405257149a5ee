"""Extracting features once, into a file the score commands accept."""

import shutil
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from pyoco_eval.atomic import check_writable
from pyoco_eval.errors import UsageError
from pyoco_eval.extraction.measure import FeatureRequest, measure
from pyoco_eval.extraction.measured_set import MeasuredSet
from pyoco_eval.extraction.networks import Network
from pyoco_eval.extraction.open_samples import Samples, is_held, open_samples, options_for
from pyoco_eval.extraction.options import Options
from pyoco_eval.locks import locked
from pyoco_eval.metrics.conventions import convention as find_convention
from pyoco_eval.processes import processes
from pyoco_eval.progress import Progress, Silent
from pyoco_eval.statistics.files import FeatureSet, kind_of
from pyoco_eval.videos.listing.attach import attach_captions


def extract_features(
    samples: Samples,
    extractor: str,
    *,
    convention: str | None = None,
    layer: str | None = None,
    captions: str | Path | None = None,
    options: Options | None = None,
    out: str | Path | None = None,
    progress: Progress | None = None,
) -> MeasuredSet:
    """Features of every clip (video networks) or frame (image networks) of `samples`.

    Args:
        samples: a folder, a file, or arrays (T, H, W, 3) or (N, T, H, W, 3).
        extractor: `i3d`, `c3d`, `inception`, `clip`, `tiny3d`, `tiny2d` or `tinyclip`.
        convention: whose input rule to follow; the extractor's usual one by default.
        layer: where to read, the convention's layer by default.
        captions: file that says the caption of every video, kept with the features for `clipsim`.
        options: how videos become features.
        out: npz file to write: `features` (N, D) float32, `ids`, `signature`, `header`.
        progress: told about every finished video.

    While the pass runs, finished rows are kept in `OUT.parts` (or `options.keep_features`), so that
    a run that was killed goes on where it stopped. Under `torchrun` every process returns the
    whole and process 0 writes it.

    Returns:
        The side, with `features.features` (N, D) float32 and `features.ids`.
    """
    options = options or Options()
    group = processes()
    if out is not None and Path(out).suffix != ".npz":
        raise UsageError(f"--out {out}: features are written as .npz; give a name that ends so")
    if out is not None:
        check_writable(Path(out), "--out")
        if Path(out).exists() and kind_of(Path(out)) != "features":
            raise UsageError(f"--out {out}: exists and holds no features; choose another name")
    parts = None
    held = is_held(samples) and group.size > 1
    if out is not None and options.keep_features is None and not held:
        parts = Path(f"{out}.parts")
        options = replace(options, keep_features=parts)
    lock = None if out is None else Path(out).with_name(f".{Path(out).name}.lock")
    alone = locked(lock, f"extracts {out}") if lock and group.is_main else nullcontext()
    with group.announcing_failure(), alone:
        network = Network.named(extractor, options, rule=convention, layer=layer)
        source = open_samples(samples, "--samples", options, [find_convention(network.base)])
        options = options_for(source, options)
        if captions is not None:
            source = attach_captions(source, Path(captions))
        loaded = network.load(options)
        request = FeatureRequest(network, loaded, keep_rows=True)
        (side,) = measure(
            source, [request], options, progress or Silent(), "features", everywhere=True, held=held
        )
        if out is not None and group.is_main:
            assert side.features is not None
            header = side.header() | {"signature": str(side.signature())}
            FeatureSet(side.features.features, side.features.ids, header).save(Path(out))
            if parts is not None and parts.is_dir():
                shutil.rmtree(parts)
    return side
