"""The clip rule: which frames, how many clips, and one canonical name for each rule."""

import dataclasses

import numpy as np
import pytest
from encoded_clips import encode, number_of
from hypothesis import given, settings
from hypothesis import strategies as st

from pyoco_eval.errors import UsageError, VideoError
from pyoco_eval.videos.clip_rule import ClipRule, ShortVideo, clip_indices, read_clips
from pyoco_eval.videos.source import open_source


@st.composite
def rules(draw):
    select = draw(st.sampled_from(["first", "center", "random", "all"]))
    fps = draw(st.none() | st.integers(1, 120) | st.floats(0.001, 1000))
    return ClipRule(
        num_frames=draw(st.integers(1, 300)),
        select=select,
        stride=1 if fps is not None else draw(st.integers(1, 20)),
        fps=fps,
        seed=draw(st.integers(0, 2**40)) if select == "random" else 0,
        hop=draw(st.none() | st.integers(1, 99)) if select == "all" else None,
        short=draw(st.sampled_from(["error", "skip", "window", "loop"])),
    )


@given(rules())
def test_spec_and_parse_are_inverse(rule):
    assert ClipRule.parse(rule.spec()) == rule
    assert ClipRule.parse(rule.spec()).spec() == rule.spec()


@given(rules(), rules())
def test_different_rules_have_different_specs(one, other):
    assert (one == other) == (one.spec() == other.spec())


@pytest.mark.parametrize(
    ("rule", "spec"),
    [
        (ClipRule(), "16f-s1-first"),
        (ClipRule(fps=8, select="random", seed=3), "16f-fps8-random(seed=3)"),
        (ClipRule(stride=2, select="all", hop=8, short="loop"), "16f-s2-all(hop=8)-loop"),
        (ClipRule(stride=2, select="all"), "16f-s2-all(hop=32)"),
        (
            ClipRule(num_frames=8, fps=29.97, select="center", short="skip"),
            "8f-fps29.97-center-skip",
        ),
    ],
)
def test_specs(rule, spec):
    assert rule.spec() == spec


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "16f",
        "16f-s1",
        "16f-s1-middle",
        "16f-fps1.2.3-first",
        "16f-s1-first(seed=3)",
        "0f-s1-first",
        "16f-s1-first-cut",
    ],
)
def test_parse_refuses_other_text(spec):
    with pytest.raises(UsageError):
        ClipRule.parse(spec)


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        ({"num_frames": 0}, "--num-frames"),
        ({"num_frames": 2.5}, "--num-frames"),
        ({"stride": 0}, "--stride"),
        ({"fps": 0}, "--fps"),
        ({"fps": float("nan")}, "--fps"),
        ({"fps": 8, "stride": 2}, "--stride and --fps"),
        ({"select": "last"}, "--clip 'last'"),
        ({"short": "pad"}, "--short 'pad'"),
        ({"hop": 4}, "--hop"),
        ({"hop": 0, "select": "all"}, "--hop"),
        ({"seed": 3}, "--clip-seed"),
        ({"seed": -1, "select": "random"}, "--clip-seed"),
    ],
)
def test_wrong_arguments_name_their_option(arguments, option):
    with pytest.raises(UsageError, match=option):
        ClipRule(**arguments)


@settings(deadline=None)
@given(rules(), st.integers(0, 700))
def test_clips_lie_in_the_video_and_keep_their_distances(rule, num_frames):
    rule = dataclasses.replace(rule, fps=None)
    clips = clip_indices(rule, "a.mp4", num_frames)
    enough = num_frames >= (rule.num_frames - 1) * rule.stride + 1
    assert bool(clips) == enough
    for clip in clips:
        assert len(clip) == rule.num_frames
        assert clip[0] >= 0
        assert clip[-1] < num_frames
        assert set(np.diff(clip)) <= {rule.stride}
    if enough and rule.select == "first":
        assert clips == [tuple(range(0, rule.num_frames * rule.stride, rule.stride))]
    if enough and rule.select == "center":
        before, behind = clips[0][0], num_frames - 1 - clips[0][-1]
        assert behind - before in (0, 1)
    if enough and rule.select == "all":
        assert [clip[0] for clip in clips] == [rule.hop * i for i in range(len(clips))]
        assert clips[-1][-1] + rule.hop >= num_frames


def test_random_starts_are_uniform_and_depend_on_seed_and_id_alone():
    rule = ClipRule(num_frames=1, select="random")
    starts = [clip_indices(rule, f"{i}.mp4", 10)[0][0] for i in range(5000)]
    assert starts == [clip_indices(rule, f"{i}.mp4", 10)[0][0] for i in range(5000)]
    counts = np.bincount(starts, minlength=10)
    # Binomial(5000, 0.1): standard deviation 21.2; ten counts within five of it.
    assert np.abs(counts - 500).max() < 106
    other = [
        clip_indices(ClipRule(num_frames=1, select="random", seed=1), f"{i}.mp4", 10)[0][0]
        for i in range(5000)
    ]
    assert np.mean(np.array(starts) == other) < 0.15


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """40 numbered frames at 24 per second."""
    path = encode(tmp_path_factory.mktemp("clips") / "a.mp4", num_frames=40, rate=24)
    return open_source(path)[0]


def numbers(video, rule: ClipRule) -> list[list[int]]:
    clips = list(read_clips(video, rule))
    assert [made.number for made in clips] == list(range(len(clips)))
    for made in clips:
        assert made.video_id == video.id
        assert made.frames.shape == (rule.num_frames, 64, 128, 3)
        assert [number_of(frame) for frame in made.frames] == list(made.indices)
    return [list(made.indices) for made in clips]


def test_first_center_and_stride(clip):
    assert numbers(clip, ClipRule()) == [list(range(16))]
    assert numbers(clip, ClipRule(stride=2)) == [list(range(0, 32, 2))]
    assert numbers(clip, ClipRule(select="center")) == [list(range(12, 28))]


def test_frame_rate_picks_the_rounded_frames(clip):
    for fps in (8, 10, 16, 23.976, 24, 30):
        expected = [round(i * 24 / fps) for i in range(8)]
        assert numbers(clip, ClipRule(num_frames=8, fps=fps)) == [expected]
    (centred,) = numbers(clip, ClipRule(num_frames=4, fps=8, select="center"))
    assert centred == [15, 18, 21, 24]  # 14 positions of 3 frames; five before, five behind


def test_all_clips_come_from_one_pass(clip, monkeypatch):
    opened = []
    frames = type(clip.reader).frames
    monkeypatch.setattr(
        type(clip.reader), "frames", lambda self, wanted: opened.append(1) or frames(self, wanted)
    )
    assert numbers(clip, ClipRule(num_frames=10, select="all")) == [
        list(range(start, start + 10)) for start in (0, 10, 20, 30)
    ]
    assert len(opened) == 1
    overlapping = numbers(clip, ClipRule(num_frames=6, stride=3, select="all", hop=4))
    assert overlapping == [list(range(s, s + 16, 3)) for s in range(0, 25, 4)]
    paced = numbers(clip, ClipRule(num_frames=4, fps=8, select="all"))
    assert paced == [[0, 3, 6, 9], [12, 15, 18, 21], [24, 27, 30, 33]]


@pytest.mark.parametrize("select", ["first", "center", "random", "all"])
def test_short_videos(clip, select):
    rule = ClipRule(num_frames=16, stride=3, select=select)
    with pytest.raises(
        VideoError, match=r"a\.mp4: the clip needs 46 frames, the video has 40"
    ) as e:
        list(read_clips(clip, rule))
    assert not isinstance(e.value, ShortVideo)
    with pytest.raises(ShortVideo, match="needs 46 frames"):
        list(read_clips(clip, dataclasses.replace(rule, short="skip")))
    looped = numbers(clip, dataclasses.replace(rule, short="loop"))
    assert looped == [[i % 40 for i in range(0, 48, 3)]]


@pytest.mark.parametrize("select", ["first", "center", "random", "all"])
def test_window_leaves_out_what_stylegan_v_drops(clip, select):
    """40 frames: 14 at stride 3 have a clip (40 positions) but not 14 * 3 frames."""
    rule = ClipRule(num_frames=14, stride=3, select=select, short="window")
    with pytest.raises(ShortVideo, match="needs 42 frames, the video has 40"):
        list(read_clips(clip, rule))
    assert len(numbers(clip, dataclasses.replace(rule, short="skip"))) == 1
    enough = dataclasses.replace(rule, num_frames=13)
    same = dataclasses.replace(enough, short="error")
    assert numbers(clip, enough) == numbers(clip, same)


def test_random_starts_are_those_of_stylegan_v():
    """random.randint(0, T - n * s + s - 1), both ends included."""
    rule = ClipRule(num_frames=5, stride=3, select="random", short="window")
    starts = {clip_indices(rule, f"v{i}", 18)[0][0] for i in range(300)}
    assert starts == set(range(18 - 5 * 3 + 3 - 1 + 1))


def test_recipes_name_window_where_it_leaves_out_more_than_skip():
    assert ClipRule(short="window").signed() == "16f-s1-first"
    assert ClipRule(short="skip", stride=2).signed() == "16f-s2-first"
    assert ClipRule(short="window", stride=2).signed() == "16f-s2-first-window"
    assert ClipRule(short="loop", stride=2).signed() == "16f-s2-first-loop"


def test_long_enough_videos_are_not_looped(clip):
    assert numbers(clip, ClipRule(short="loop")) == [list(range(16))]
    exactly = ClipRule(num_frames=40, select="random", seed=5)
    assert numbers(clip, exactly) == [list(range(40))]


def test_first_decodes_no_further_than_needed(tmp_path):
    whole = encode(tmp_path / "a.avi", "mpeg4", num_frames=40)
    content = whole.read_bytes()
    whole.write_bytes(content[: int(len(content) * 0.9)])
    (video,) = open_source(whole)
    assert [made.indices for made in read_clips(video, ClipRule())] == [tuple(range(16))]
    for select in ("center", "random", "all"):
        with pytest.raises(VideoError, match="cut off"):
            list(read_clips(video, ClipRule(select=select)))


def test_frame_rate_needs_a_source_that_states_one():
    (video,) = open_source(np.zeros((20, 4, 4, 3), np.uint8))
    assert len(list(read_clips(video, ClipRule()))) == 1
    with pytest.raises(VideoError, match="states no frame rate"):
        list(read_clips(video, ClipRule(fps=8)))
