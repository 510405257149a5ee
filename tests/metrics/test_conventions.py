"""Every convention is what the facts say of its tool, and the page lists all of them."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from pyoco_eval.errors import UsageError
from pyoco_eval.metrics.catalogue import METRICS, PROFILES
from pyoco_eval.metrics.conventions import CONVENTIONS, convention, usual_convention
from pyoco_eval.metrics.inception_score import SplitRule
from pyoco_eval.metrics.kernel import KernelRule
from pyoco_eval.metrics.manifold import neighbours
from pyoco_eval.videos.clip_rule import ClipRule
from pyoco_eval.videos.resize import ResizeRule

PAGE = Path(__file__).resolve().parents[2] / "docs" / "conventions.md"

FACTS = {
    # name: extractor, resize, scaling, covariance, BatchNorm eps
    "tf-fvd": ("i3d", "224-tf1bilinear-squash", "2x/255-1", 1, None),
    "stylegan-v": ("i3d-torchscript", "224-innetwork-squash", "2x/255-1", 0, None),
    "videogpt": ("i3d", "224-bilinear-cropceil", "2x/255-1", 1, 1e-5),
    "tats": ("i3d", "224-bilinear-squash", "2x/255-1", 1, 1e-5),
    "cd-fvd": ("i3d", "224-bilinear-squash", "2x/255-1", 0, 1e-5),
    "common-metrics": ("i3d-torchscript", "224-bilinear-cropceil", "2x/255-1", 1, None),
    "clean": ("inception", "299-pilbicubicfloat-squash", "(x-128)/128", 1, None),
    "pytorch-fid": ("inception", "299-bilinear-squash", "2x/255-1", 1, None),
    "legacy-tf": ("inception", "299-tf1bilinear-squash", "(x-128)/128", 1, None),
    "torchmetrics": ("inception", "299-bilinearantialias-squash", "(x-128)/128", 1, None),
    "clean-fid-clip": ("clip", "224-pilbicubic-crop", "clip-mean-std", 1, None),
    "torch-fidelity-clip": ("clip", "224-tf1bilinear-squash", "clip-mean-std", 1, None),
}
SPLITS = {
    "tgan2": ("c3d", "logits", "1", 1e-20),
    "tats-is": ("c3d", "logits", "1", 1e-20),
    "stylegan-v-is": ("c3d-torchscript", "log-probs", "10-shuffle42", 0.0),
}


def test_the_page_is_the_generated_one() -> None:
    path = PAGE.parents[1] / "scripts" / "conventions_page.py"
    spec = spec_from_file_location("conventions_page", path)
    assert spec is not None
    assert spec.loader is not None
    script = module_from_spec(spec)
    spec.loader.exec_module(script)
    assert PAGE.read_text(encoding="utf-8") == script.page(), f"run python {path.name}"


@pytest.mark.parametrize("name", FACTS)
def test_frechet_conventions_are_what_the_tools_do(name: str) -> None:
    rule = convention(name)
    found = (rule.extractor, rule.resize, rule.scaling, rule.ddof, rule.bn_eps)
    assert found == FACTS[name]


@pytest.mark.parametrize("name", SPLITS)
def test_inception_score_conventions_are_what_the_tools_do(name: str) -> None:
    rule = convention(name, "is")
    assert (rule.extractor, rule.layer, rule.splits, rule.eps) == SPLITS[name]


@pytest.mark.parametrize("name", CONVENTIONS)
def test_every_choice_can_be_read(name: str) -> None:
    rule = CONVENTIONS[name]
    assert rule.metric in METRICS
    if rule.resize:
        assert ResizeRule.parse(rule.resize).spec() == rule.resize
    if rule.metric == "is":
        assert SplitRule.parse(rule.splits).spec() == rule.splits
    if rule.metric in ("kvd", "kid"):
        assert KernelRule.parse(rule.estimator).spec() == rule.estimator
    if rule.metric == "prdc":
        assert neighbours(rule.estimator) == 5
    for clip in rule.clips or ():
        assert ClipRule.parse(clip).spec() == clip
    assert (rule.label == "embedded") == name.startswith("embedded-")


@pytest.mark.parametrize("profile", PROFILES)
def test_every_metric_has_a_default(profile: str) -> None:
    for metric in METRICS:
        assert convention(usual_convention(metric, profile), metric).metric == metric


@pytest.mark.parametrize("name", CONVENTIONS)
def test_the_page_lists_it(name: str) -> None:
    text = PAGE.read_text(encoding="utf-8")
    rule = CONVENTIONS[name]
    assert f"| `{name}` |" in text
    assert rule.about in text
    for sentence in rule.unknown:
        assert sentence in text


def test_names_that_cannot_be_meant() -> None:
    with pytest.raises(UsageError, match="Did you mean videogpt"):
        convention("videogtp", "fvd")
    with pytest.raises(UsageError, match="is for fid, not fvd"):
        convention("clean", "fvd")
