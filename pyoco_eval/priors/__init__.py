"""The joint law of the noise of a video's frames, and its specifications as strings.

    independent                     every frame its own noise
    mixed:alpha=1                   noise shared by all frames plus each frame's own (paper, Eq. 3)
    progressive:alpha=2             each frame perturbs the noise of the one before (paper, Eq. 4)
    empirical:FILE                  a measured T×T correlation, read from FILE (.npz, .npy, .csv)
    mixed:alpha=0.5..4              alpha drawn for every video; progressive likewise
    frequency:alpha=3,cut=0.25,filter=gaussian
                                    low frequencies of mixed noise, high ones of each frame's own
    freeinit:alpha=0,cut=0.25,filter=gaussian
                                    the same without renormalisation, as FreeInit mixes
    windows:length=16,stride=4      for long videos: earlier noise again, shuffled

alpha is 0 (independent frames) to inf (frozen noise: all frames share one noise map).
docs/priors.md has all of them with equations, covariance and cost.

References:
    Ge et al., Preserve Your Own Correlation (2023), §4, Eqs. 3 and 4.
"""

import re
from pathlib import Path

from pyoco_eval.errors import UsageError
from pyoco_eval.priors.base import NoisePrior
from pyoco_eval.priors.empirical import EmpiricalPrior
from pyoco_eval.priors.frequency import FrequencyPrior
from pyoco_eval.priors.parametric import IndependentPrior, MixedPrior, ProgressivePrior
from pyoco_eval.priors.random_alpha import RandomAlphaPrior
from pyoco_eval.priors.windows import WindowsPrior

__all__ = [
    "KINDS",
    "EmpiricalPrior",
    "FrequencyPrior",
    "IndependentPrior",
    "MixedPrior",
    "NoisePrior",
    "ProgressivePrior",
    "RandomAlphaPrior",
    "WindowsPrior",
    "parse_prior",
]

KINDS = (
    "independent", "mixed", "progressive", "empirical", "frequency", "freeinit", "windows",
)  # fmt: skip
"""What a spec begins with."""
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
        return _with_alpha(kind, rest, spec)
    if kind in ("frequency", "freeinit"):
        numbers, filters = _keys(spec, rest, {"alpha": None, "cut": "0.25", "filter": "gaussian"})
        return FrequencyPrior(
            numbers["alpha"], numbers["cut"], filters["filter"], renormalised=kind == "frequency"
        )
    if kind == "windows":
        numbers, _ = _keys(spec, rest, {"length": None, "stride": None})
        if not all(number.is_integer() for number in numbers.values()):
            raise UsageError(f"noise prior {spec!r}: length and stride are whole numbers of frames")
        return WindowsPrior(int(numbers["length"]), int(numbers["stride"]))
    raise UsageError(
        f"noise prior {spec!r}: use independent, mixed:alpha=1, progressive:alpha=2, "
        "empirical:FILE, mixed:alpha=0.5..4, frequency:alpha=3, freeinit:alpha=0 or "
        "windows:length=16,stride=4"
    )


def _with_alpha(kind: str, rest: str, spec: str) -> NoisePrior:
    match = re.fullmatch(r"alpha=(\S+?)(?:\.\.(\S+))?", rest)
    try:
        low = float(match[1] if match else "missing")
        if match and match[2] is not None:
            return RandomAlphaPrior(kind, low, float(match[2]))
        return _WITH_ALPHA[kind](low)
    except ValueError as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(
            f"noise prior {spec!r}: {kind} takes alpha, a number or inf, like {kind}:alpha=1, or "
            f"two for one that is drawn, like {kind}:alpha=0.5..4"
        ) from None


def _keys(
    spec: str, rest: str, known: dict[str, str | None]
) -> tuple[dict[str, float], dict[str, str]]:
    """Numbers and words of `a=1,b=c`; those that are left out have their default."""
    given = dict(pair.split("=", 1) for pair in rest.split(",") if "=" in pair)
    wrong = sorted(given.keys() - known.keys()) or (rest and rest.count(",") + 1 != len(given))
    lacking = [key for key, default in known.items() if default is None and key not in given]
    if wrong or lacking:
        kind = spec.partition(":")[0]
        example = ",".join(f"{key}={default or 4}" for key, default in known.items())
        raise UsageError(f"noise prior {spec!r}: {kind} takes {', '.join(known)}: {kind}:{example}")
    numbers: dict[str, float] = {}
    words: dict[str, str] = {}
    for key, default in known.items():
        value = given.get(key, default or "")
        try:
            numbers[key] = float(value)
        except ValueError:
            words[key] = value
    if words.keys() - {"filter"}:
        key = min(words.keys() - {"filter"})
        raise UsageError(f"noise prior {spec!r}: {key} is a number, not {words[key]!r}")
    return numbers, words
