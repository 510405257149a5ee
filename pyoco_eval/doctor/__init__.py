"""What of this machine matters to scores: is it there, does it work, and if not, what to do.

Nothing is changed, downloaded or executed; weight files are hashed only on request.
"""

from pyoco_eval.doctor.decoders import examine_decoders
from pyoco_eval.doctor.finding import Finding
from pyoco_eval.doctor.libraries import examine_libraries
from pyoco_eval.doctor.machine import examine_machine
from pyoco_eval.doctor.packages import examine_packages
from pyoco_eval.doctor.storage import examine_storage

__all__ = ["Finding", "examine"]


def examine(*, verify: bool = False) -> list[Finding]:
    """Everything, section by section.

    Args:
        verify: hash the weight files instead of comparing their sizes only.
    """
    return [
        *examine_machine(),
        *examine_libraries(),
        *examine_decoders(),
        *examine_packages(),
        *examine_storage(verify=verify),
    ]
