"""Refuse to release what does not say everywhere which version it is.

    python scripts/release_version.py v0.2.0

The tag must be that of `pyoco_eval/version.py`; `CITATION.cff` must state it and its date, and
`CHANGELOG.md` have a section of it.
"""

import argparse
import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]


def problems(tag: str, root: Path = ROOT) -> list[str]:
    """What contradicts `tag`, one sentence each; nothing if it may be released."""
    code = (root / "pyoco_eval" / "version.py").read_text(encoding="utf-8")
    stated = re.search(r'^__version__ = "(.+)"$', code, re.MULTILINE)
    version = stated[1] if stated else ""
    found = []
    if tag != f"v{version}":
        found.append(f"the tag is {tag}, pyoco_eval/version.py says {version}: v{version} is due")
    citation = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    if citation["version"] != version:
        found.append(f"CITATION.cff says version {citation['version']}: write {version}")
    if "date-released" not in citation:
        found.append("CITATION.cff has no date-released: add it, as 2026-01-31")
    changes = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    if not re.search(rf"^## {re.escape(version)}\b", changes, re.MULTILINE):
        found.append(f"CHANGELOG.md has no section {version}: rename Unreleased")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tag", help="such as v0.2.0")
    found = problems(parser.parse_args().tag)
    print("\n".join(found) or "tag, version, citation and changelog agree")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
