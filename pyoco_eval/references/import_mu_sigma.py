"""Taking over mean and covariance that another tool stored, under the recipe a user states.

The result is found and used like a built reference, but every score against it says that its
recipe is somebody's word.
"""

from datetime import UTC, datetime
from pathlib import Path

from pyoco_eval.atomic import check_writable
from pyoco_eval.datasets.dataset import file_digest
from pyoco_eval.errors import UsageError
from pyoco_eval.extraction.measure import planned_recipe
from pyoco_eval.extraction.measured_set import MeasuredSet
from pyoco_eval.extraction.networks import Network
from pyoco_eval.extraction.options import Options
from pyoco_eval.features.base import FeatureExtractor
from pyoco_eval.metrics.catalogue import METRICS
from pyoco_eval.metrics.conventions import convention
from pyoco_eval.references.files import check_name, own_folder
from pyoco_eval.references.find import KNOWN_REFERENCES
from pyoco_eval.references.mu_sigma import load_mu_sigma
from pyoco_eval.references.recipes import file_name
from pyoco_eval.statistics.files import StatisticsFile
from pyoco_eval.statistics.moments import Moments

UNKNOWN = "unknown"
"""Value of recipe keys that the other tool did not record: frame size and decoder."""


def import_reference(
    file: Path,
    name: str,
    *,
    rule: str,
    num_rows: int,
    num_videos: int | None = None,
    force: bool = False,
    options: Options | None = None,
) -> Path:
    """Store the `mu` and `sigma` of another tool as reference `name`.

    Args:
        file: npz with `mu` (D,) and `sigma` (D, D).
        name: of the reference; not that of a known dataset.
        rule: convention that the statistics were made by, such as `pytorch-fid`.
        num_rows: feature rows (clips for FVD, images for FID) they were made of.
        num_videos: videos these rows come from; by default as many as `options` imply.
        force: take the place of an import or a build under the same recipe.
        options: clips, frames and resizing that the statistics were made with.

    Returns:
        The file that was written.

    Raises:
        UsageError: arguments that cannot be meant, or a name that is taken.
        PyocoEvalError: `mu` and `sigma` that are no mean and covariance of this network.
        MissingError: weights or a package are not there; the recipe holds the hash of the weights.
    """
    options = options or Options()
    check_name(name)
    if name in KNOWN_REFERENCES:
        raise UsageError(
            f"--name {name} is that of {KNOWN_REFERENCES[name]}, which is built from its videos; "
            "choose another one"
        )
    found = convention(rule)
    if not METRICS[found.metric].from_moments:
        raise UsageError(
            f"--convention {rule}: {found.metric} is not computed from mean and covariance; an "
            f"import serves {', '.join(name for name, row in METRICS.items() if row.from_moments)}"
        )
    if num_rows < 2:
        raise UsageError(f"--num-rows {num_rows}: a covariance is made of two rows or more")
    if not file.is_file():
        raise UsageError(f"{file}: no such file")
    mean, cov = load_mu_sigma(file)
    network = Network.of(found, options)
    extractor = network.load(options)
    spec = extractor.spec
    if len(mean) != spec.dim:
        raise UsageError(
            f"{file}: mu has {len(mean)} numbers, and {spec.layer} of {spec.name}, which {rule} "
            f"reads, has {spec.dim}; name the convention that it was made by"
        )
    recipe = planned_recipe(network, extractor, options) | {"size": UNKNOWN, "dec": UNKNOWN}
    path = own_folder(name) / file_name(recipe)
    check_writable(path, "PYOCO_EVAL_CACHE")
    if path.exists() and not force:
        raise UsageError(
            f"--name {name}: {path} is a reference of this recipe already; choose another name, or "
            "replace it with --force"
        )
    videos = num_videos or _videos(num_rows, extractor, options)
    digest = file_digest(file)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    moments = Moments(num_rows, mean, cov * (num_rows - found.ddof))
    side = MeasuredSet(name, digest, recipe, num_rows, videos, moments=moments, imported=True)
    header = side.header() | {
        "signature": str(side.signature()),
        "created": created,
        "imported": {"file": file.name, "sha256": digest, "convention": rule},
    }
    StatisticsFile(moments, header).save(path)
    return path


def _videos(num_rows: int, extractor: FeatureExtractor, options: Options) -> int:
    """How many videos so many rows come from, one clip each.

    Raises:
        UsageError: no whole number.
    """
    frames = extractor.kind == "image" and options.frames.select == "all"
    each = options.clip.num_frames if frames else 1
    if num_rows % each:
        raise UsageError(
            f"--num-rows {num_rows} is no multiple of the {each} frames of a clip; say how many "
            "videos they come from with --num-videos, or which frames with --frames"
        )
    return num_rows // each
