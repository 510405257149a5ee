"""The results of a protocol run: `results.json`, from which every report is made.

A run has columns (what is scored), arms (models, or variants of one) and the published rows they
stand beside. An arm has one score per column; a score of several repeats is their mean.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pyoco_eval.atomic import atomic_path
from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.visible import json_text
