"""What is not the published protocol cannot call itself that: by name, title or signature."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from running import SHAPES, call, run_protocol

from pyoco_eval.cli.protocol import command as protocol_command
from pyoco_eval.datasets.class_lists import class_names
from pyoco_eval.protocol import change_log, loader, prompts, trust
from pyoco_eval.protocol.loader import ProtocolError, load_protocol, shipped_protocols
from pyoco_eval.protocol.prompts import own_list, read_prompts
from pyoco_eval.protocol.trust import (
    OWN_LISTS,
    deviation_of_content,
    deviation_of_prompts,
    deviation_of_settings,
    is_published,
    protocol_label,
    title_of,
)
from pyoco_eval.protocol.validate import examine
from pyoco_eval.protocol_run.sample import Sampling, sampling_deviations
from pyoco_eval.report.make import make_report
from pyoco_eval.resources import resource_folder

UNCOND, TWIN = (load_protocol(name).label for name in ("ucf101-uncond", "shapes-uncond"))
OTHER = "scores: {fvd: {reference: {select: random(1024)}}}\n"

UNCOND = load_protocol("ucf101-uncond").label
TWIN = load_protocol("shapes-uncond").label


@pytest.fixture(autouse=True)
def toy_models_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


def copy(name: str, folder: Path, change: Any = lambda content: None) -> Path:
    content = load_protocol(name).protocol.model_dump(mode="json")
    change(content)
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    return path


def test_a_copy_with_another_reference_may_not_have_the_name(tmp_path: Path) -> None:
    path = copy(
        "ucf101-uncond",
        tmp_path,
        lambda c: c["scores"]["fvd"]["reference"].update(select="random(1024)"),
    )
    with pytest.raises(ProtocolError, match="give it a name of its own"):
        load_protocol(path)
    assert "name of its own" in examine(path).problems[0]
    extended = tmp_path / "sub" / "ucf101-uncond.yaml"
    extended.parent.mkdir()
    extended.write_text("extends: ucf101-zeroshot\nname: ucf101-uncond\n")
    with pytest.raises(ProtocolError, match="give it a name of its own"):
        load_protocol(extended)


def test_a_true_copy_is_the_published_protocol_wherever_it_lies(tmp_path: Path) -> None:
    for path in shipped_protocols():
        loaded = load_protocol(copy(path.stem, tmp_path))
        assert is_published(loaded)
        assert protocol_label(loaded, None, ()) == loaded.label
        assert deviation_of_content(loaded) is None


def test_extends_finds_the_shipped_file_before_one_beside_it(tmp_path: Path) -> None:
    for path in shipped_protocols():
        shutil.copy(path, tmp_path)
    sibling = tmp_path / "ucf101-uncond.yaml"
    sibling.write_text(sibling.read_text().replace("count: 2048", "count: 1024"))
    copied = load_protocol(tmp_path / "ucf101-zeroshot.yaml")
    assert copied.sha256 == load_protocol("ucf101-zeroshot").sha256
    assert copied.bases == (resource_folder("protocols") / "ucf101-uncond.yaml",)
    mine = tmp_path / "mine.yaml"
    mine.write_text("extends: ucf101-uncond.yaml\nname: mine\n")
    with pytest.raises(ProtocolError, match=r"ucf101-uncond\.yaml is not a valid.*\n.*of its own"):
        load_protocol(mine)


def test_an_altered_protocol_is_named_by_its_content_and_says_what_it_alters(
    tmp_path: Path,
) -> None:
    path = tmp_path / "half.yaml"
    path.write_text(f"extends: ucf101-uncond\nname: half\nversion: 1\n{OTHER}")
    loaded = load_protocol(path)
    assert not is_published(loaded)
    assert protocol_label(loaded, "scale=0.5", ["size=8x8"]) == (
        f"half@1-sha256({loaded.sha256[:12]})-reduced(scale=0.5)-deviates(size=8x8)"
    )
    found = deviation_of_content(loaded)
    assert found is not None
    assert f"alters {UNCOND} in scores.fvd.reference.select" in found.sentence
    assert title_of(loaded).endswith(f"(altered from {UNCOND})")
    shown = " ".join(CliRunner().invoke(protocol_command, ["show", str(path)]).output.split())
    assert f"altered from {UNCOND}" in shown
    assert loaded.sha256[:12] in shown


def test_a_file_that_extends_nothing_is_not_a_shipped_one_either(write: Any) -> None:
    loaded = load_protocol(write("ucf101-uncond"))
    assert title_of(loaded).endswith("(not a shipped protocol)")
    assert f"sha256({loaded.sha256[:12]})" in protocol_label(loaded, None, ())


def test_an_edited_file_of_the_package_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "protocols"
    shutil.copytree(resource_folder("protocols"), folder)
    file = folder / "shapes-uncond.yaml"
    file.write_text(file.read_text().replace("select: first(512)", "select: first(256)"))
    for module in (loader, change_log):
        monkeypatch.setattr(module, "resource_folder", lambda _: folder)
    loaded = load_protocol("shapes-uncond")
    assert loaded.path == file
    assert not is_published(loaded)
    assert protocol_label(loaded, None, ()).startswith(f"{TWIN}-sha256(")


def test_prompts_of_every_list_are_those_that_protocols_mean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for dataset, name in OWN_LISTS:
        used = own_list(name, class_names(dataset))
        lines = [f"{c}\t{p}" for c in class_names(dataset) for p in used.prompts[c]]
        assert trust._hash(lines) == OWN_LISTS[dataset, name], (dataset, name)
    loaded = load_protocol("shapes-zeroshot")
    assert deviation_of_prompts(loaded, None) is None
    same = read_prompts(resource_folder("prompts") / "shapes.csv", class_names("shapes"))
    assert deviation_of_prompts(loaded, same) is None, "the same sentences are no deviation"
    folder = tmp_path / "prompts"
    shutil.copytree(resource_folder("prompts"), folder)
    file = folder / "shapes.csv"
    file.write_text(file.read_text().replace("a small red circle", "a large red circle", 1))
    monkeypatch.setattr(prompts, "resource_folder", lambda _: folder)
    found = deviation_of_prompts(loaded, None)
    assert found is not None
    assert "was edited" in found.sentence
    assert found.word.startswith("prompts=")


def test_settings_and_sampling_stand_in_the_signature() -> None:
    one, other = deviation_of_settings(["steps=1"]), deviation_of_settings(["steps=2"])
    assert one is not None
    assert other is not None
    assert one.word != other.word
    loaded = load_protocol("shapes-zeroshot")
    sampling = Sampling(sampler="ddim:num_steps=4,eta=0", guidance_scale=3, tell="both")
    words = [d.word for d in sampling_deviations(loaded.protocol, sampling, ["samples"])]
    assert words == ["tell=both", "sampler=ddim:num_steps=4+eta=0", "guidance=3"]
    assert len(sampling_deviations(loaded.protocol, sampling, [])) == 1, "a model of the user's"


def test_results_of_an_altered_protocol_say_so_everywhere(tmp_path: Path) -> None:
    path = tmp_path / "half.yaml"
    path.write_text(
        "extends: shapes-uncond\nname: half\nversion: 1\nrepeats: {count: 1}\n"
        "samples: {count: 80}\nscores: {is: {count: 80}, fvd: {count: 80, curve: false}}\n"
        "published:\n  - {method: Other, values: {fvd: {value: 1}}, source: x, is_paper: true}\n"
    )
    results = run_protocol(path, tmp_path / "out", "--generator", SHAPES, "--scale", "0.1")
    digits = results.protocol.sha256[:12]
    assert not results.comparable
    assert any(f"alters {TWIN}" in sentence for sentence in results.deviations)
    assert results.protocol.altered_from == TWIN
    assert f"altered from {TWIN}" in results.protocol.title
    assert all(
        f"protocol:half@1-sha256({digits})-reduced(scale=0.1)-deviates(protocol)" in text
        for entry in results.arms[0].scores
        for text in entry.signatures
    )
    (row,) = results.published
    assert not row.is_paper
    assert "not of half@1" in row.note
    outs = [tmp_path / f"r{suffix}" for suffix in (".html", ".md", ".tex")]
    make_report([tmp_path / "out" / "results.json"], outs)
    for out in outs:
        text = out.read_text()
        assert f"altered from {TWIN}" in text, out
        assert digits in text, out
    said = call("shapes-uncond", tmp_path / "dry", "--generator", SHAPES, "--dry-run")
    assert "sha256(" not in said
