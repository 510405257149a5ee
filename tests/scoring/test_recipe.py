"""Any choice that can move a score moves the signature."""

from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st
from toys import MeanColour

from pyoco_eval.extraction.frame_rules import FrameRule
from pyoco_eval.extraction.measure import planned_recipe
from pyoco_eval.extraction.networks import Network
from pyoco_eval.extraction.options import Options
from pyoco_eval.features.base import ExtractorSpec, WeightsIdentity
from pyoco_eval.metrics.signature import Signature
from pyoco_eval.videos.clip_rule import ClipRule
from pyoco_eval.videos.resize import KERNELS, ResizeRule

NAMES = st.sampled_from(["a", "b", "c"])
RESIZES = st.builds(
    ResizeRule,
    st.sampled_from([64, 128]),
    st.sampled_from(KERNELS),
    st.sampled_from(["squash", "crop", "crop-ceil"]),
    st.sampled_from(["round", "truncate"]),
)
CLIPS = st.one_of(
    st.builds(
        ClipRule,
        num_frames=st.integers(1, 4),
        select=st.sampled_from(["first", "center"]),
        stride=st.integers(1, 3),
        short=st.sampled_from(["error", "loop"]),
    ),
    st.builds(ClipRule, select=st.just("random"), seed=st.integers(0, 3)),
    st.builds(ClipRule, select=st.just("all"), hop=st.integers(1, 3)),
    st.builds(ClipRule, fps=st.sampled_from([8.0, 8.5, 25.0])),
)
OPTIONS = st.builds(
    Options,
    clip=CLIPS,
    frames=st.builds(FrameRule, st.sampled_from(["all", "first", "middle"]))
    | st.builds(FrameRule, st.just("random"), st.integers(0, 3)),
    pre_resize=st.none() | RESIZES,
    value_range=st.sampled_from(["0..1", "-1..1", "0..255"]),
    quantise=st.sampled_from(["round", "truncate"]),
    pixels=st.sampled_from(["peer", "exact"]),
    precision=st.sampled_from(["fp32", "bf16"]),
)
SPECS = st.builds(
    ExtractorSpec,
    name=NAMES,
    network=NAMES,
    layer=NAMES,
    dim=st.just(3),
    resize=RESIZES,
    scaling=NAMES,
    weights=st.builds(
        WeightsIdentity, st.sampled_from(["0" * 8, "1" * 8]), st.just("sha256:x"), st.booleans()
    ),
    variant=st.sampled_from(["", "v"]),
)


def recipe(options: Options, spec: ExtractorSpec) -> dict[str, str]:
    network = MeanColour("image")
    network.spec = spec
    return planned_recipe(
        Network("toy", "rgb", None, "x", None, options.pixels_of("peer"), "toys", "custom"),
        network,
        options,
    )


@given(OPTIONS, OPTIONS, SPECS, SPECS)
def test_recipes_are_equal_exactly_when_every_choice_is(
    options: Options, other_options: Options, spec: ExtractorSpec, other_spec: ExtractorSpec
) -> None:
    same = options == other_options and spec == other_spec
    signature = Signature.of(recipe(options, spec))
    other = Signature.of(recipe(other_options, other_spec))
    assert (signature == other) == same
    assert (str(signature) == str(other)) == same


@given(OPTIONS, SPECS, st.data())
def test_one_changed_choice_is_enough(
    options: Options, spec: ExtractorSpec, data: st.DataObject
) -> None:
    names = ["clip", "frames", "pre_resize", "value_range", "quantise", "pixels", "precision"]
    field = data.draw(st.sampled_from(names))
    changed = replace(options, **{field: getattr(data.draw(OPTIONS), field)})
    assume(changed != options)
    assert recipe(changed, spec) != recipe(options, spec)


@given(OPTIONS, SPECS)
def test_choices_that_cannot_move_a_score_leave_the_recipe_alone(
    options: Options, spec: ExtractorSpec
) -> None:
    faster = replace(options, workers=7, batch_size=9, device="cpu", allow_small=True)
    assert recipe(faster, spec) == recipe(options, spec)
    if options.clip.short == "error":  # what is left out stands in a key of its own
        skipping = replace(options, clip=replace(options.clip, short="skip"))
        assert recipe(skipping, spec) == recipe(options, spec)
