"""Weights into networks, with every mismatch named."""

from collections.abc import Mapping

import torch
from torch import nn

from pyoco_eval.errors import UsageError

_SHOWN = 20
"""Mismatches told one by one; the rest are counted."""


def load_state(
    network: nn.Module, state: Mapping[str, torch.Tensor], *, keep: frozenset[str] = frozenset()
) -> None:
    """Copy `state` into `network`, in the network's dtype, on its device.

    Args:
        keep: names of the network's tensors that `state` need not have; they stay as they are.

    Raises:
        UsageError: a tensor is missing, has another shape, or belongs to no such network. Then
            the network is unchanged.
    """
    own = network.state_dict()
    problems = [f"{name}: missing" for name in own if name not in state and name not in keep]
    problems += [f"{name}: the network has no such tensor" for name in state if name not in own]
    problems += [
        f"{name}: shape {tuple(tensor.shape)}, the network has {tuple(own[name].shape)}"
        for name, tensor in state.items()
        if name in own and tensor.shape != own[name].shape
    ]
    if problems:
        lines = problems[:_SHOWN]
        if len(problems) > _SHOWN:
            lines.append(f"and {len(problems) - _SHOWN} more")
        raise UsageError(f"{len(problems)} tensors do not fit:\n  " + "\n  ".join(lines))
    network.load_state_dict(state, strict=False)


def not_finite(state: Mapping[str, torch.Tensor]) -> list[str]:
    """Names of the tensors with a value that is infinite or no number."""
    return [
        name
        for name, tensor in state.items()
        if tensor.is_floating_point() and not bool(tensor.isfinite().all())
    ]
