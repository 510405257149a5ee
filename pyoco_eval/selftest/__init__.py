"""Can this machine be trusted? Known inputs, known results, computed again.

Features and scores that were stored come from float64 arithmetic, frames are exact, so that the
truth belongs to no processor; the tolerances are multiples of what float32 was seen to lose. What
was stored is made by `scripts/build_selftest.py`.
"""

from pyoco_eval.selftest.check import REMEDIES, Check
from pyoco_eval.selftest.run import devices_present, run

__all__ = ["REMEDIES", "Check", "devices_present", "run"]
