"""What the entry points name. It imports neither NumPy nor PyTorch, so that lists stay fast."""

from pyoco_eval.features.catalogue import KnownNetwork
from pyoco_eval.metrics.catalogue import KnownMetric
from pyoco_eval.metrics.conventions import Convention

NETWORK = KnownNetwork(
    name="colours",
    kind="image",
    layers={"mean": 3},
    convention="mean-of-colours",
    loader="colour_metrics.network:open_colours",
    resizable=True,
)
CONVENTION = Convention(
    name="mean-of-colours",
    metric="colour-shift",
    extractor="colours",
    layer="mean",
    resize="16-bilinear-squash",
    scaling="x",
    about="mean red, green and blue of a frame",
    estimator="mean",
)
METRIC = KnownMetric(
    name="colour-shift",
    display="Colour shift",
    title="Shift of the mean colour",
    help="How far the mean colours of two sets of videos are apart.",
    scorer="colour_metrics.metric:ColourShift",
    conventions={"published": "mean-of-colours", "embedded": "mean-of-colours"},
    from_moments=True,
    has_interval=False,
)
