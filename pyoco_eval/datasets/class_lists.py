"""The classes of a dataset by name, in the order of its labels."""

from collections.abc import Sequence

from pyoco_eval.resources import resource_folder
from pyoco_eval.shapes.dataset import CLASS_NAMES


def class_names(dataset: str) -> Sequence[str]:
    """Names in label order; empty for a dataset without classes.

    UCF-101's are those of `classInd.txt`, which is also the order of the classifier's answers.
    """
    if dataset == "shapes":
        return CLASS_NAMES
    if dataset == "ucf101":
        lines = (resource_folder("prompts") / "ucf101.csv").read_text("utf-8").splitlines()
        return tuple(line.partition(",")[0] for line in lines[1:])
    return ()
