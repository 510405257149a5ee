"""What a model is asked for: counts, classes, captions and seeds, the same on every machine."""

import json
from collections import Counter
from pathlib import Path

import pytest
from trees import annotation, write_clip, write_ucf101

from pyoco_eval.datasets.class_lists import class_names
from pyoco_eval.errors import UsageError
from pyoco_eval.protocol.loader import load_protocol
from pyoco_eval.protocol.prompt_sets import counted_by_prompt
from pyoco_eval.protocol.prompts import own_list, read_prompts
from pyoco_eval.protocol.schema import ReferenceRule
from pyoco_eval.protocol_run.match_samples import answer
from pyoco_eval.protocol_run.planned_videos import PlannedVideo, planned_videos
from pyoco_eval.protocol_run.real_videos import DataPlace, ProtocolVideos, chosen, drawn
from pyoco_eval.protocol_run.reduction import Reduction

UCF = class_names("ucf101")


def real(name: str, root: Path | None = None) -> ProtocolVideos:
    return ProtocolVideos(load_protocol(name).protocol, DataPlace(root))


def test_zero_shot_asks_for_twenty_of_each_class_and_28_more() -> None:
    protocol = load_protocol("ucf101-zeroshot").protocol
    found = planned_videos(protocol, 2048, 0, real("ucf101-zeroshot"))
    assert set(Counter(wish.label for wish in found[:2020]).values()) == {20}
    assert [wish.label for wish in found[2020:]] == list(range(28))
    prompts = own_list("ucf101", UCF)
    assert all(wish.prompt == prompts.prompt(UCF[wish.label or 0], 0) for wish in found)
    assert len({wish.seed for wish in found}) == 2048


def test_videos_of_every_prompt_of_a_set_are_counted(tmp_path: Path) -> None:
    names = class_names("ucf101")
    rows = [f"{name},{name} {k}" for n, name in enumerate(names) for k in range(1 + n % 3)]
    path = tmp_path / "sets.csv"
    path.write_text("\n".join(["class,prompt", *rows]), encoding="utf-8")
    given = read_prompts(path, names)
    own = load_protocol("ucf101-zeroshot").protocol
    protocol = counted_by_prompt(own, given)
    assert protocol.scores["is"].count == 20 * len(rows) == protocol.samples.count
    assert protocol.scores["fvd"].count == 2048, "is no number of videos of each prompt"
    found = planned_videos(protocol, protocol.samples.count, 0, real("ucf101-zeroshot"), given)
    assert set(Counter(wish.prompt for wish in found).values()) == {20}
    assert all(str(wish.prompt).startswith(names[wish.label or 0]) for wish in found)
    assert len(found[: len(rows)]) == len({wish.prompt for wish in found[: len(rows)]})
    one = own_list("ucf101", names)
    assert counted_by_prompt(own, one) == own == counted_by_prompt(own, None)
    others = load_protocol("ucf101-zeroshot-videoldm").protocol
    assert counted_by_prompt(others, given) == others, "counts by class, not by prompt"


def test_a_repeat_has_other_seeds_and_the_same_prompts() -> None:
    protocol = load_protocol("shapes-zeroshot").protocol
    first, second = (planned_videos(protocol, 60, k, real("shapes-zeroshot")) for k in (0, 1))
    assert not {wish.seed for wish in first} & {wish.seed for wish in second}
    assert [wish.prompt for wish in first] == [wish.prompt for wish in second]
    assert planned_videos(protocol, 30, 0, real("shapes-zeroshot")) == first[:30]


def test_classes_are_drawn_with_the_frequencies_of_the_split(tmp_path: Path) -> None:
    write_ucf101(tmp_path / "UCF")
    data = real("ucf101-zeroshot-videopoet", tmp_path / "UCF")
    counts = data.class_counts("test01")
    assert {UCF[label]: n for label, n in enumerate(counts) if n} == {
        "Archery": 2, "HandstandPushups": 2, "YoYo": 2,
    }  # fmt: skip
    found = planned_videos(data.protocol, 3000, 0, data)
    share = Counter(UCF[wish.label or 0] for wish in found)
    assert set(share) == {"Archery", "HandstandPushups", "YoYo"}
    assert all(abs(n - 1000) < 130 for n in share.values()), "five standard deviations"
    assert planned_videos(data.protocol, 10, 1, data)[5].label == found[5].label


def _msrvtt(tmp_path: Path) -> Path:
    root = tmp_path / "msrvtt"
    root.mkdir()
    for number in range(7010, 7015):
        write_clip(root / f"video{number}.mp4", number, size=(320, 240))
    (root / "test_videodatainfo.json").write_text(annotation(range(7010, 7015)), "utf-8")
    return root


def test_captions_are_taken_by_the_rule_of_each_variant(tmp_path: Path) -> None:
    root = _msrvtt(tmp_path)

    def captions(name: str, count: int) -> list[tuple[str | None, str | None]]:
        data = real(name, root)
        return [(wish.video, wish.prompt) for wish in planned_videos(data.protocol, count, 0, data)]

    every, ascii_only = captions("msrvtt-59800", 100), captions("msrvtt", 100)
    assert len(every) == 10
    assert set(every) - set(ascii_only) == {("video7014.mp4", "a café")}
    one = captions("msrvtt-2990", 100)
    assert [video for video, _ in one] == [f"video{n}.mp4" for n in range(7010, 7015)]
    assert set(one) < set(every)
    some = captions("msrvtt-2048", 3)
    assert len(some) == 3
    assert set(some) < set(one)


def test_the_videos_of_a_random_reference_are_those_of_the_random_captions(tmp_path: Path) -> None:
    data = real("msrvtt-2048", _msrvtt(tmp_path))
    rule = data.protocol.scores["fvd"].reference
    assert rule is not None
    reference = data.reference(rule, 3)
    wished = planned_videos(data.protocol, 3, 0, data)
    assert [video.id for video in reference] == [wish.video for wish in wished]
    assert reference.name == "msrvtt-random(2048)-reduced3-seed0"


def test_a_reference_takes_the_first_or_a_seeded_draw() -> None:
    def rule(select: str, seed: int = 0) -> ReferenceRule:
        return ReferenceRule(split="all", select=select, seed=seed, clip="x", mirror=False)

    assert chosen(10, rule("first(3)"), 3) == [0, 1, 2]
    assert chosen(10, rule("all"), None) == list(range(10))
    assert chosen(10, rule("random(4)"), 4) == drawn(10, 4, 0)
    assert chosen(10, rule("random(4)", seed=1), 4) == drawn(10, 4, 1) != drawn(10, 4, 0)
    assert chosen(3, rule("random(4)"), 4) == [0, 1, 2]


def test_reductions_scale_every_count_and_say_so() -> None:
    protocol = load_protocol("ucf101-uncond").protocol
    arm, rule = protocol.arms["samples"], protocol.scores["fvd"].reference
    assert rule is not None
    whole, part = Reduction(), Reduction(0.01, repeats=2, incomplete=True)
    assert (whole.label(protocol), whole.num_repeats(protocol)) == (None, 10)
    assert whole.num_real(rule, 13_320) is None
    assert part.label(protocol) == "scale=0.01,repeats=2,incomplete-data"
    assert part.num_videos(protocol, arm) == part.num_real(rule, 13_320) == 21
    assert Reduction(repeats=10).label(protocol) is None
    assert Reduction(1e-9).num_videos(protocol, arm) == 2
    for scale in (0, -1, 1.5):
        with pytest.raises(UsageError, match="--scale"):
            Reduction(scale)


def _wished(*labels: int) -> list[PlannedVideo]:
    return [PlannedVideo(i, f"prompt {label}", label, i) for i, label in enumerate(labels)]


def test_samples_answer_by_folder_of_the_class(tmp_path: Path) -> None:
    for name, count in (("Archery", 2), ("YoYo", 1)):
        (tmp_path / name).mkdir()
        for number in range(count):
            write_clip(tmp_path / name / f"{number}.mp4", number)
    place = {name: label for label, name in enumerate(UCF)}
    wished = _wished(place["YoYo"], place["Archery"], place["Archery"])
    found = answer(str(tmp_path), wished, "x", UCF, "pyav")
    assert found.told_by == "class"
    assert [video.id for video in found.source] == ["YoYo/0.mp4", "Archery/0.mp4", "Archery/1.mp4"]
    assert [video.caption for video in found.source] == [wish.prompt for wish in wished]
    with pytest.raises(UsageError, match=r"1 videos are missing, by class: YoYo \(1\)"):
        answer(str(tmp_path), _wished(place["YoYo"], place["YoYo"]), "x", UCF, "pyav")


def test_samples_answer_by_manifest_name_or_number(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_clip(tmp_path / f"{name}.mp4", 1)
    rows = [
        {"id": "a.mp4", "caption": "x", "label": 1},
        {"id": "b.mp4", "caption": "y", "label": 0},
    ]
    (tmp_path / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = answer(str(tmp_path), _wished(0, 1), "x", UCF, "pyav")
    assert [video.id for video in found.source] == ["b.mp4", "a.mp4"]
    by_caption = [PlannedVideo(0, "y", None, 0), PlannedVideo(1, "x", None, 1)]
    found = answer(str(tmp_path), by_caption, "x", (), "pyav")
    assert ([video.id for video in found.source], found.told_by) == (["b.mp4", "a.mp4"], "manifest")
    other = tmp_path / "other"
    other.mkdir()
    write_clip(other / "video7011.mp4", 1)
    write_clip(other / "video7010.mp4", 1)
    named = [
        PlannedVideo(0, "q", None, 0, "video7010.mp4"),
        PlannedVideo(1, "r", None, 1, "video7011.mp4"),
    ]
    found = answer(str(other), named, "x", (), "pyav")
    assert (found.source[0].id, found.told_by) == ("video7010.mp4", "name")
    with pytest.raises(UsageError, match="holds 2 videos, the protocol takes 3"):
        answer(str(other), [*named, PlannedVideo(2, "s", None, 2)], "x", (), "pyav")
