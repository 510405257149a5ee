"""Protocol files that tests change on their way, and what other tests make: trees, weights."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from pyoco_eval.protocol.loader import load_protocol

HERE = Path(__file__).parent
sys.path += [str(HERE), str(HERE.parent / "datasets"), str(HERE.parent / "features")]

Change = Callable[[dict[str, Any]], None]
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a resolved copy of a shipped protocol as `mine.yaml`, after a change."""

    def _write(base: str, change: Change = lambda content: None) -> Path:
        content = load_protocol(base).protocol.model_dump(mode="json")
        content["name"] = "mine"
        change(content)
        path = tmp_path / "mine.yaml"
        path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), "utf-8")
        return path

    return _write
