"""One score of a protocol: is its recipe complete, spelt right, and possible?"""

from collections.abc import Iterator, Mapping

from pyoco_eval.errors import UsageError
from pyoco_eval.extraction.frame_rules import FrameRule
from pyoco_eval.extraction.networks import dim_of, sees_frames
from pyoco_eval.extraction.options import Options
from pyoco_eval.features.catalogue import NETWORKS
from pyoco_eval.metrics.catalogue import METRICS, extrapolated
from pyoco_eval.metrics.conventions import Convention, convention
from pyoco_eval.protocol.arms import clip_of, columns_of, count_of
from pyoco_eval.protocol.conditioning import ClassPrompts, Unconditional
from pyoco_eval.protocol.schema import NONE, Protocol, ScoreRule
from pyoco_eval.scoring.metric import metric_under
from pyoco_eval.videos.clip_rule import ClipRule
from pyoco_eval.videos.resize import ResizeRule


def problems_of_score(protocol: Protocol, key: str, splits: Mapping[str, int]) -> Iterator[str]:
    """Every problem of the score `key`; `splits` are the videos of each split of the dataset."""
    score, place = protocol.scores[key], f"scores.{key}"
    try:
        rule = convention(score.convention, score.metric)
    except UsageError as error:
        yield f"{place}.convention: {error}"
        return
    yield from _spelt_out(score, rule, place)
    if protocol.compute.pixels != rule.pixels:
        yield (
            f"compute.pixels: is {protocol.compute.pixels!r}; the convention {rule.name} of "
            f"{place} has {rule.pixels}"
        )
    clips = list(_rules(score, rule, place))
    yield from clips
    if not clips:
        yield from _lengths(protocol, score, place)
    yield from _needs(protocol, score, place, splits)
    if not clips:
        yield from _floors(protocol, key, rule, splits)


def _spelt_out(score: ScoreRule, rule: Convention, place: str) -> Iterator[str]:
    stated = metric_under(rule, Options()).stated()
    expected = {
        "network.extractor": rule.extractor,
        "network.layer": rule.layer,
        "network.bn_eps": rule.bn_eps,
        "network.resize": rule.resize,
        "network.scaling": rule.scaling,
        **{key: stated.get(key) for key in ("distance", "covariance", "splits", "eps")},
        "estimator": rule.estimator or None,
    }
    network = score.network
    found = {f"network.{name}": value for name, value in network.model_dump().items()}
    found |= {name: getattr(score, name) for name in expected if "." not in name}
    for name, value in expected.items():
        if found[name] != value:
            said = "null" if value is None else value
            yield f"{place}.{name}: is {found[name]!r}; the convention {rule.name} has {said}"


def _rules(score: ScoreRule, rule: Convention, place: str) -> Iterator[str]:
    """Problems of the rules as texts."""
    clips = {"clip": score.clip}
    if score.reference is not None:
        clips["reference.clip"] = score.reference.clip
    for name, spec in clips.items():
        try:
            spelt = ClipRule.parse(spec).spec()
        except UsageError as error:
            yield f"{place}.{name}: {error}"
        else:
            if spelt != spec:
                yield f"{place}.{name}: write {spelt} for {spec}"
    if score.pre_resize != NONE:
        try:
            resize = ResizeRule.parse(score.pre_resize)
        except UsageError as error:
            yield f"{place}.pre_resize: {error}"
        else:
            if resize.quantise == "none":
                yield f"{place}.pre_resize: must say how it rounds: end it in -round or -truncate"
    frames = sees_frames(rule)
    if frames != (score.frames is not None) or frames != (score.pooling is not None):
        word = "sees frames: say which, and pooling" if frames else "sees clips: give null"
        yield f"{place}.frames: {score.metric} {word}"
    elif score.frames is not None:
        try:
            frame_rule = FrameRule.parse(score.frames).spec()
        except UsageError as error:
            yield f"{place}.frames: {error}"
        else:
            if frame_rule != score.frames:
                yield f"{place}.frames: write {frame_rule} for {score.frames}"


def _lengths(protocol: Protocol, score: ScoreRule, place: str) -> Iterator[str]:
    clip = ClipRule.parse(score.clip)
    if clip.select == "all":
        yield f"{place}.clip: one clip of each generated video is scored, not all"
    if clip.fps is None and clip.least > protocol.samples.num_frames:
        yield (
            f"{place}.clip: {score.clip} needs {clip.least} frames, samples have "
            f"{protocol.samples.num_frames}"
        )
    if clip.fps is not None and protocol.samples.fps is None:
        yield f"{place}.clip: {score.clip} needs samples.fps"
    network = NETWORKS.get(score.network.extractor)
    if network is None or network.kind == "image":
        return
    least, most = network.min_frames, network.num_frames
    if clip.num_frames < least or (most is not None and clip.num_frames > most):
        allowed = f"exactly {most}" if most == least else f"{least} or more"
        yield f"{place}.clip: {score.network.extractor} takes {allowed} frames"


def _needs(
    protocol: Protocol, score: ScoreRule, place: str, splits: Mapping[str, int]
) -> Iterator[str]:
    conditioning = protocol.samples.conditioning
    if score.count > protocol.samples.count:
        yield f"{place}.count: {score.count:,} of {protocol.samples.count:,} samples"
    if METRICS[score.metric].needs_captions and isinstance(conditioning, Unconditional):
        yield f"{place}.metric: {score.metric} needs prompts or captions"
    classifies = METRICS[score.metric].classifies
    if score.per_class and not (classifies and isinstance(conditioning, ClassPrompts)):
        yield f"{place}.per_class: needs class prompts and the classifier of the metric is"
    if score.curve and not METRICS[score.metric].extrapolates:
        yield f"{place}.curve: only {', '.join(extrapolated())} have one"
    if score.interval and (score.interval < 20 or score.interval % 2):
        yield f"{place}.interval: an even number of at least 20, or 0"
    reference = score.reference
    if METRICS[score.metric].needs_reference != (reference is not None):
        word = "has no reference: give null" if reference is not None else "needs a reference"
        yield f"{place}.reference: {score.metric} {word}"
    if reference is None:
        return
    if reference.split not in splits:
        yield f"{place}.reference.split: {protocol.dataset.name} has {', '.join(splits)}"
        return
    limit = reference.limit()
    if limit is not None and limit > splits[reference.split]:
        yield f"{place}.reference.select: {reference.split} has {splits[reference.split]:,} videos"
    if limit is None and protocol.dataset.name == "shapes":
        yield f"{place}.reference.select: shapes are made as needed: say how many"
    if reference.seed and not reference.select.startswith("random"):
        yield f"{place}.reference.seed: only random(N) draws anything; leave it at 0"


def _floors(
    protocol: Protocol, key: str, rule: Convention, splits: Mapping[str, int]
) -> Iterator[str]:
    score, place = protocol.scores[key], f"scores.{key}"
    for name, arm in protocol.arms.items():
        if key not in columns_of(protocol, name):
            continue
        length = clip_of(protocol, arm, score).num_frames
        rows = count_of(arm, score) * (length if score.frames == "all" else 1)
        who = f"{place}: {rows:,} feature rows of arm {name}"
        dim = dim_of(rule)
        metric = metric_under(rule, Options(), score.splits)
        try:
            floor = metric.floor(dim, halved=bool(score.interval or score.curve))
        except UsageError:
            continue  # splits that are none were told of above
        if rows < floor:
            yield f"{who} are below the floor of {floor:,}"
        theirs = _reference_rows(score, splits)
        if theirs is not None and theirs < floor:
            yield f"{place}: {theirs:,} reference rows are below the floor of {floor:,}"


def _reference_rows(score: ScoreRule, splits: Mapping[str, int]) -> int | None:
    """Rows of the real side at least; None where the split is unknown."""
    reference = score.reference
    if reference is None or reference.split not in splits:
        return None
    videos = reference.limit() or splits[reference.split]
    length = ClipRule.parse(reference.clip).num_frames
    return videos * (length if score.frames == "all" else 1)
