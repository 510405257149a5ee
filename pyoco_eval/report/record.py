"""The JSON record of a run: the scores and everything needed to repeat or doubt them."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pyoco_eval.atomic import atomic_path
from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.metrics.base import Score
from pyoco_eval.metrics.signature import Signature
from pyoco_eval.visible import json_text
