"""The protocols that come with the package: valid, logged, and what the paper's tables say."""

import re
from pathlib import Path

import pytest

from pyoco_eval.metrics.conventions import CONVENTIONS
from pyoco_eval.protocol.change_log import LoggedVersion, log_problems, read_change_log
from pyoco_eval.protocol.checks import problems_of
from pyoco_eval.protocol.loader import load_protocol, shipped_protocols
from pyoco_eval.resources import resource_folder

PATHS = shipped_protocols()
NAMES = [path.stem for path in PATHS]

EXPECTED = {
    "shapes-configs",
    "ucf101-uncond", "ucf101-zeroshot", "ucf101-zeroshot-make-a-video",
    "ucf101-zeroshot-videoldm", "ucf101-zeroshot-videopoet", "ucf101-zeroshot-stylegan-v",
    "msrvtt", "msrvtt-59800", "msrvtt-2990", "msrvtt-2048", "ucf101-training-strategies",
    "ucf101-alpha", "ucf101-model-size", "shapes-uncond", "shapes-zeroshot", "shapes-msrvtt",
    "shapes-training-strategies", "shapes-alpha", "shapes-model-size",
}  # fmt: skip


def test_every_promised_protocol_is_there_and_in_the_index() -> None:
    assert set(NAMES) == EXPECTED
    index = (resource_folder("protocols") / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`([a-z0-9-]+)`", index.partition("## Change log")[0])) >= EXPECTED


@pytest.mark.parametrize("path", PATHS, ids=NAMES)
def test_it_is_valid_and_its_version_is_logged_with_its_hash(path: Path) -> None:
    loaded = load_protocol(path)
    assert problems_of(loaded.protocol) == []
    assert log_problems(loaded, read_change_log()) == []


def test_every_logged_protocol_is_there_and_versions_count_up() -> None:
    log = read_change_log()
    assert {entry.name for entry in log} == EXPECTED
    for name in EXPECTED:
        versions = [entry.version for entry in log if entry.name == name]
        assert versions == list(range(1, len(versions) + 1))


def test_changed_content_old_versions_and_missing_lines_are_noticed() -> None:
    loaded = load_protocol("shapes-uncond")
    version = loaded.protocol.version
    good = LoggedVersion("shapes-uncond", version, loaded.sha256, "x")
    assert log_problems(loaded, [good]) == []
    other = LoggedVersion("shapes-uncond", version, "0" * 64, "x")
    newer = LoggedVersion("shapes-uncond", version + 1, "0" * 64, "x")
    assert "changed" in log_problems(loaded, [other])[0]
    assert f"has {version + 1} already" in log_problems(loaded, [good, newer])[0]
    assert "is not in the change log" in log_problems(loaded, [])[0]
    assert "2 times" in log_problems(loaded, [good, good])[0]


@pytest.mark.parametrize(
    ("name", "row", "column", "value", "std"),
    [
        ("ucf101-uncond", "PYoCo (253M)", "is", 60.01, 0.51),
        ("ucf101-uncond", "PYoCo (253M)", "fvd", 310, 13),
        ("ucf101-uncond", "PYoCo (112M)", "fvd", 332, 13),
        ("ucf101-zeroshot", "PYoCo", "is", 47.76, None),
        ("ucf101-zeroshot", "PYoCo", "fvd", 355.19, None),
        ("msrvtt", "PYoCo (Config-D)", "clip-fid", 9.73, None),
        ("msrvtt", "PYoCo (Config-D)", "fid", 22.14, None),
        ("ucf101-training-strategies", "+ Progressive Noise", "is", 53.52, None),
        ("ucf101-training-strategies", "+ Mixed Noise", "frame-fid", 31.57, None),
    ],
)
def test_published_rows_are_those_of_the_paper(
    name: str, row: str, column: str, value: float, std: float | None
) -> None:
    found = {line.method: line for line in load_protocol(name).protocol.published}[row]
    assert (found.values[column].value, found.values[column].std) == (value, std)
    assert "2305.10474" in found.source
    assert found.is_paper


def test_counts_are_those_of_the_paper() -> None:
    uncond = load_protocol("ucf101-uncond").protocol
    zeroshot = load_protocol("ucf101-zeroshot").protocol
    msrvtt = load_protocol("msrvtt").protocol
    alpha = load_protocol("ucf101-alpha").protocol
    assert (uncond.samples.num_frames, uncond.samples.height, uncond.samples.count) == (
        16, 64, 2048,
    )  # fmt: skip
    assert zeroshot.scores["is"].count == 20 * 101
    assert zeroshot.scores["fvd"].count == 2048
    assert (msrvtt.samples.count, msrvtt.samples.num_frames, msrvtt.samples.width) == (
        59_794, 76, 256,
    )  # fmt: skip
    assert msrvtt.samples.codec == "mp4"
    values = {str(arm.parameters["alpha"]) for arm in alpha.arms.values()}
    assert values == {"0", "0.1", "0.2", "0.5", "1", "2", "5", "10", "inf"}
    assert (alpha.repeats.of, alpha.repeats.count) == ("training", 3)


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("shapes-")])
def test_an_embedded_twin_uses_embedded_networks_alone_and_trains_its_own_models(name: str) -> None:
    protocol = load_protocol(name).protocol
    assert protocol.training is not None
    assert protocol.published == []
    for score in protocol.scores.values():
        assert CONVENTIONS[score.convention].label == "embedded"
