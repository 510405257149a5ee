"""From videos and an image model to Table 1, the fitted prior, figures and the record.

Axes: V videos, T frames.
"""

import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np

from pyoco_eval.atomic import check_writable
from pyoco_eval.devices import pick_device
from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.locks import LOCK, locked
from pyoco_eval.probe.correlation import cosines_among, measure_similarity
from pyoco_eval.probe.fit import fit_priors, measured_prior
from pyoco_eval.probe.image_model import ImageModel
from pyoco_eval.probe.inversion_pass import (
    Inverted,
    check_round_trips,
    choose_videos,
    invert_videos,
)
from pyoco_eval.probe.invert import InversionSettings
from pyoco_eval.probe.noise_store import NoiseStore
from pyoco_eval.probe.open import open_image_model
from pyoco_eval.probe.options import ProbeOptions
from pyoco_eval.probe.outcome import Probe, describe, recipe_of
from pyoco_eval.processes import processes
from pyoco_eval.progress import Progress, Silent
from pyoco_eval.seeding import derive_seed, numpy_generator
from pyoco_eval.videos.source import VideoSource, open_source

RECORD = "probe.json"


def run_probe(
    model: str | ImageModel,
    videos: object,
    out: Path,
    *,
    options: ProbeOptions | None = None,
    figures: bool = True,
    progress: Progress | None = None,
) -> Probe | None:
    """Measure how correlated the noise maps of videos are.

    Under `torchrun` the processes share the videos; `out` must be one folder that all of them see.

    Args:
        model: what `open_image_model` takes, or an open model.
        videos: what `open_source` takes.
        out: folder for the record, tables, the prior, figures and noise maps. A run that was
            killed goes on from the maps there.
        options: see `ProbeOptions`.
        figures: also draw Figures 2a and 2b and the curves.
        progress: told about every finished video.

    Returns:
        What was found, on process 0; None on others.

    Raises:
        UsageError: arguments that cannot be meant.
        MissingError: the model or a package is not there.
        UnusableVideosError: videos that cannot be used, all at once.
    """
    options = options or ProbeOptions()
    progress = progress or Silent()
    if figures:
        from pyoco_eval.probe.figures import check_drawable

        check_drawable()
    check_writable(out / RECORD, "--out")
    group = processes()
    with group.announcing_failure():
        source = open_source(
            videos,
            decoder=options.decoder,
            value_range=options.value_range,
            quantise=options.quantise,
        )
        if len(source) < 2:
            raise UsageError(f"--videos {source.name}: holds one video; the probe compares several")
        if isinstance(model, str):
            device = pick_device(options.device)
            if device.type == "mps":
                raise UsageError("--device mps: has no float64, which the ODE needs; use cpu")
            model = open_image_model(model, device=device)
        walk = InversionSettings(model, options.solver, options.num_steps, options.batch_size)
        model.condition(options.prompt, 1)
        with locked(out / LOCK, "measures here") if group.is_main else nullcontext():
            return _run(walk, source, out, options, figures, progress)


def _run(
    walk: InversionSettings,
    source: VideoSource,
    out: Path,
    options: ProbeOptions,
    figures: bool,
    progress: Progress,
) -> Probe | None:
    group = processes()
    started = time.perf_counter()
    chosen = choose_videos(len(source), options)
    store = NoiseStore(out / "maps", store_recipe(walk, options, source))
    inverted = invert_videos(source, chosen, walk, options, store, group, progress)
    inverted_at = time.perf_counter()
    kept = _share_kept(inverted)
    round_trip = check_round_trips(
        source, kept[: options.check_videos], walk, options, store.folder, group, progress
    )
    checked_at = time.perf_counter()
    if inverted is None or round_trip is None:
        return None
    within = np.stack([store.cosines(index) for index in kept])
    compared = _choose_compared(len(kept), options)
    among = cosines_among(lambda place: store.maps(kept[place]), compared)
    similarity = measure_similarity(
        within,
        among,
        compared,
        num_resamples=options.num_resamples,
        seed=derive_seed("probe-bootstrap", options.seed),
    )
    fits = fit_priors(similarity)
    header = {
        **store_recipe(walk, options, source),
        "videos": source.name,
        "videos_sha256": inverted.digest(),
        "num_videos": similarity.num_videos,
        "num_frames": similarity.num_frames,
    }
    prior = measured_prior(similarity.frame_correlation, header)
    prior.save(out)
    seconds = {"inversion": inverted_at - started, "round_trip": checked_at - inverted_at}
    probe = describe(
        source, len(chosen), inverted, similarity, fits, round_trip, prior.spec, walk, options,
        seconds | {"total": time.perf_counter() - started},
    )  # fmt: skip
    from pyoco_eval.probe.tables import write_tables

    write_tables(probe, within, out)
    if figures:
        from pyoco_eval.probe.gallery import draw_all

        draw_all(probe, store, inverted.facts, out / "figures", options.seed)
    probe.record.save(out / RECORD)
    return probe


def store_recipe(
    walk: InversionSettings, options: ProbeOptions, source: VideoSource
) -> dict[str, str]:
    """What decides about a noise map, with whole hashes: the key of the maps on disk."""
    recipe = recipe_of(walk, options, source.decoder_label())
    prompt = {} if options.prompt is None else {"prompt": options.prompt}
    return recipe | {"weights": walk.model.digest, **prompt}


def _share_kept(inverted: Inverted | None) -> list[int]:
    """Every process learns which videos were inverted."""
    payload = None if inverted is None else ",".join(map(str, sorted(inverted.facts))).encode()
    kept = [int(index) for index in processes().broadcast(payload).decode().split(",")]
    if len(kept) < 2:
        raise PyocoEvalError("one usable video is left; the probe compares several")
    return kept


def _choose_compared(count: int, options: ProbeOptions) -> Sequence[int]:
    if count <= options.compared_videos:
        return range(count)
    generator = numpy_generator("probe-compared", options.seed)
    chosen = generator.choice(count, options.compared_videos, replace=False)
    return sorted(int(place) for place in chosen)
