"""Which noise maps Figures 2a and 2b show, and all figures of a probe in one folder.

Axes: N noise maps, T frames, c, h, w of the model's space.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pyoco_eval.priors import parse_prior
from pyoco_eval.probe.embedding import NoiseGroup, embed
from pyoco_eval.probe.figures import (
    draw_by_distance,
    draw_embedding,
    draw_frame_correlation,
    draw_round_trip,
)
from pyoco_eval.probe.noise_store import InvertedVideo, NoiseStore
from pyoco_eval.probe.outcome import Probe
from pyoco_eval.seeding import numpy_generator, torch_generator

SAME_VIDEOS = 3
DIFFERENT_VIDEOS = 100
REFERENCE_MAPS = 200


def draw_all(
    probe: Probe, store: NoiseStore, facts: Mapping[int, InvertedVideo], folder: Path, seed: int
) -> None:
    """Draw every figure into `folder`, with the points of the embeddings as CSV and npz."""
    draw_by_distance(probe.similarity, probe.fits, folder / "by-distance")
    draw_frame_correlation(probe.similarity, folder / "frame-correlation")
    trip = probe.round_trip
    draw_round_trip(
        trip.num_steps, trip.psnr(), trip.relative_error(), trip.relative_change(),
        folder / "round-trip",
    )  # fmt: skip
    shape = store.maps(next(iter(facts))).shape
    reference = _prior_group("i.i.d. noise", "reference", "independent", (1, *shape[1:]),
                             range(REFERENCE_MAPS), seed)  # fmt: skip
    panels = (
        ("videos", "Inverted noise of frames", [reference, *_video_groups(store, facts, seed)]),
        ("priors", "Noise priors", [reference, *_prior_groups(probe, shape, seed)]),
    )
    for name, title, groups in panels:
        embedding = embed(groups, seed=seed)
        embedding.save_csv(folder / f"tsne-{name}.csv")
        embedding.save_npz(folder / f"tsne-{name}.npz")
        draw_embedding(embedding, folder / f"tsne-{name}", title)


def _video_groups(
    store: NoiseStore, facts: Mapping[int, InvertedVideo], seed: int
) -> list[NoiseGroup]:
    """Figure 2a: a frame of each of many videos, and all frames of a few others."""
    order = numpy_generator("probe-figure", seed).permutation(sorted(facts))
    num_same = min(SAME_VIDEOS, len(order) - 1)
    same, different = order[:num_same], order[num_same : num_same + DIFFERENT_VIDEOS]
    middle = len(facts[int(order[0])].frames) // 2
    groups = [
        NoiseGroup(
            "different videos",
            "different",
            np.stack([store.maps(int(index))[middle] for index in different]),
            [_source(facts[int(index)], middle) for index in different],
        )
    ]
    for number, index in enumerate(same, start=1):
        known, maps = facts[int(index)], store.maps(int(index))
        sources = [_source(known, place) for place in range(len(maps))]
        groups.append(NoiseGroup(f"same video ({number})", "same", maps, sources))
    return groups


def _prior_groups(probe: Probe, shape: tuple[int, ...], seed: int) -> list[NoiseGroup]:
    """Figure 2b: the noise of a few videos under independent and under progressive noise."""
    progressive = probe.fits[1]
    videos = range(SAME_VIDEOS)
    groups = [
        _prior_group("i.i.d., three videos", "independent", "independent", shape,
                     range(REFERENCE_MAPS, REFERENCE_MAPS + SAME_VIDEOS), seed)
    ]  # fmt: skip
    for number in videos:
        name = f"progressive, α = {progressive.alpha:.3g} ({number + 1})"
        groups.append(_prior_group(name, "progressive", progressive.spec(), shape, [number], seed))
    return groups


def _prior_group(
    name: str,
    kind: str,
    prior: str,
    shape: tuple[int, ...],
    numbers: range | list[int],
    seed: int,
) -> NoiseGroup:
    frames, channels, height, width = shape
    generators = [torch_generator("probe-noise", seed, prior, number) for number in numbers]
    noise = parse_prior(prior).sample((channels, height, width), frames, generators)
    sources = [f"{prior}#{number}:{frame}" for number in numbers for frame in range(frames)]
    return NoiseGroup(name, kind, noise.flatten(0, 1).numpy(), sources)


def _source(facts: InvertedVideo, place: int) -> str:
    return f"{facts.id}:{facts.frames[place]}"
