"""The joint law of the noise of a video's frames, and its specifications as strings.

    independent           every frame its own noise
    mixed:alpha=1         a noise shared by all frames plus one of each frame's own (paper, Eq. 3)
    progressive:alpha=2   each frame perturbs the noise of the frame before (paper, Eq. 4)
    empirical:FILE        a measured T×T correlation, read from FILE (.npz, .npy, .csv)

alpha is 0 (independent frames) to inf (frozen noise: all frames share one noise map).

References:
    Ge et al., Preserve Your Own Correlation (2023), §4, Eqs. 3 and 4.
"""

import re
from pathlib import Path

from pyoco_eval.errors import UsageError
from pyoco_eval.priors.base import NoisePrior
from pyoco_eval.priors.empirical import EmpiricalPrior
from pyoco_eval.priors.parametric import IndependentPrior, MixedPrior, ProgressivePrior

__all__ = [
    "EmpiricalPrior",
    "IndependentPrior",
    "MixedPrior",
    "NoisePrior",
    "ProgressivePrior",
    "parse_prior",
]

_WITH_ALPHA = {"mixed": MixedPrior, "progressive": ProgressivePrior}


def parse_prior(spec: str, *, folder: Path | None = None) -> NoisePrior:
    """The prior that `spec` names; `parse_prior(prior.spec, folder=...)` gives `prior` back.

    Args:
        spec: one of the forms above. `empirical:NAME@sha8`, the form that signatures and
            checkpoints hold, is read from `folder/NAME.npz`, where `prior.save(folder)` wrote it;
            `empirical:FILE@sha8` pins the content of any FILE.
        folder: where the files of a checkpoint lie; None reads paths as given.

    Raises:
        UsageError: no such prior; alpha missing, negative or no number; a file that holds no
            correlation, or another one than `@sha8` says.
        MissingError: no such file.
    """
    kind, _, rest = spec.partition(":")
    if spec == "independent":
        return IndependentPrior()
    if kind == "empirical" and rest:
        return EmpiricalPrior.load(rest, folder=folder)
    if kind in _WITH_ALPHA:
        match = re.fullmatch(r"alpha=(\S+)", rest)
        try:
            return _WITH_ALPHA[kind](float(match[1] if match else "missing"))
        except ValueError as error:
            if isinstance(error, UsageError):
                raise
            raise UsageError(
                f"noise prior {spec!r}: {kind} takes alpha, a number or inf, like {kind}:alpha=1"
            ) from None
    raise UsageError(
        f"noise prior {spec!r}: use independent, mixed:alpha=1, progressive:alpha=2 or "
        "empirical:FILE"
    )
