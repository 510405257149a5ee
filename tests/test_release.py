"""What a release says and does: citation, tag, and the workflow that builds and publishes."""

import re
import runpy
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from pyoco_eval.version import __version__

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
TEXT = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
WORKFLOW: dict[str, Any] = yaml.safe_load(TEXT)

# Citation File Format 1.2.0: keys of the file, of a reference, of persons and of entities.
CFF_KEYS = {
    "abstract", "authors", "cff-version", "commit", "contact", "date-released", "doi",
    "identifiers", "keywords", "license", "license-url", "message", "preferred-citation",
    "references", "repository", "repository-artifact", "repository-code", "title", "type", "url",
    "version",
}  # fmt: skip
REFERENCE_KEYS = {"authors", "title", "type", "year", "collection-title", "doi", "url", "pages"}
PERSON_KEYS = {"given-names", "family-names", "affiliation", "orcid"}


def test_the_citation_is_of_the_format() -> None:
    assert CITATION["cff-version"] == "1.2.0"
    assert set(CITATION) <= CFF_KEYS
    assert {"authors", "message", "title"} <= set(CITATION)
    assert CITATION["type"] in ("software", "dataset")
    assert all(isinstance(word, str) for word in CITATION["keywords"])
    assert all(set(author) == {"name"} for author in CITATION["authors"])
    assert isinstance(CITATION.get("date-released", date.today()), date)
    paper = CITATION["preferred-citation"]
    assert set(paper) <= REFERENCE_KEYS
    assert paper["type"] == "conference-paper"
    for author in paper["authors"]:
        assert {"given-names", "family-names"} <= set(author) <= PERSON_KEYS


def test_the_citation_says_what_the_package_says() -> None:
    assert str(CITATION["version"]) == __version__
    assert CITATION["license"] == PROJECT["license"]
    assert CITATION["title"].startswith(f"{PROJECT['name']}: ")


def test_only_a_version_that_is_stated_everywhere_is_released(tmp_path: Path) -> None:
    problems = runpy.run_path(str(ROOT / "scripts" / "release_version.py"))["problems"]
    (tmp_path / "pyoco_eval").mkdir()
    (tmp_path / "pyoco_eval" / "version.py").write_text('__version__ = "0.2.0"\n')
    citation, changes = tmp_path / "CITATION.cff", tmp_path / "CHANGELOG.md"
    citation.write_text("version: 0.2.0\ndate-released: 2026-12-01\n")
    changes.write_text("# Changelog\n\n## 0.2.0 (2026-12-01)\n")
    assert problems("v0.2.0", tmp_path) == []
    assert len(problems("v0.2.1", tmp_path)) == 1
    citation.write_text("version: 0.1.0\n")
    changes.write_text("# Changelog\n\n## Unreleased\n\n## 0.2.0rc1\n")
    found = problems("0.2.0", tmp_path)
    assert [sentence.split()[0] for sentence in found] == [
        "the", "CITATION.cff", "CITATION.cff", "CHANGELOG.md",
    ]  # fmt: skip


def test_every_action_is_pinned_to_a_commit_and_says_which_release_that_is() -> None:
    uses = [line.strip() for line in TEXT.splitlines() if "uses:" in line]
    assert len(uses) >= 8
    for line in uses:
        assert re.fullmatch(r"(- )?uses: [\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)


def test_only_what_publishes_may_and_only_after_all_tests() -> None:
    assert WORKFLOW["permissions"] == {}
    jobs = WORKFLOW["jobs"]
    writing = {name for name, job in jobs.items() if "write" in job["permissions"].values()}
    assert writing == {"publish", "publish-docs"}
    assert set(jobs["publish"]["needs"]) == {"test", "docs"}
    assert jobs["publish-docs"]["needs"] == "publish"
    for name in writing:
        assert jobs[name]["if"] == "github.event_name == 'push' && github.ref_type == 'tag'"
        assert jobs[name]["environment"]["name"]
    assert "secrets." not in TEXT, "trusted publishing needs no token"


def test_it_tests_every_python_that_is_allowed() -> None:
    stem = "Programming Language :: Python :: 3."
    named = [c.rpartition(" ")[2] for c in PROJECT["classifiers"] if c.startswith(stem)]
    assert WORKFLOW["jobs"]["test"]["strategy"]["matrix"]["python"] == named


def test_what_it_runs_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"make ([a-z-]+)", TEXT):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    for script in re.findall(r"python (scripts/[\w.]+)", TEXT):
        assert (ROOT / script).is_file()
    extras = PROJECT["optional-dependencies"]
    (installed,) = re.findall(r"constraints.txt (build twine)", TEXT)
    assert [line.partition(">")[0] for line in extras["release"]] == installed.split()


@pytest.mark.parametrize("line", [line for name in ("docs", "release")
                                  for line in PROJECT["optional-dependencies"][name]])  # fmt: skip
def test_tools_of_a_release_are_pinned(line: str) -> None:
    name = re.split("[<>=]", line)[0]
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert any(pin.startswith(f"{name}==") for pin in pins)
