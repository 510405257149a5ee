"""Weights that carry past values of a curve over a step: Adams and Bashforth's, in three variables.

A polynomial through the past values in a variable phi(sigma) is integrated exactly over the step:

    weight_j = integral of  kernel(s) L_j(phi(s)) ds  from `start` to `end`,

L_j the Lagrange polynomial that is 1 at node j and 0 at the others. Which variable is taken decides
how well few steps do: levels of a sampler shrink by a factor a step, so that the slope is smooth in
ln(sigma) or in a root of sigma, and bent in sigma itself.

Twenty-four points of Gauss and Legendre in ln(s) integrate what occurs here to rounding, over steps
of up to a factor of 40,000.

References:
    Zhang and Chen, Fast Sampling of Diffusion Models with Exponential Integrator (2023), §3.3.
"""

import math
from collections.abc import Callable, Sequence
from typing import Final, Literal

import numpy as np

Basis = Literal["log", "rho", "sigma"]

BASES: Final[dict[str, Callable[[np.ndarray], np.ndarray]]] = {
    "log": np.log,
    "rho": lambda sigma: sigma ** (1 / 7),
    "sigma": lambda sigma: sigma,
}
"""Variables of the polynomial; `rho` is the one in which EDM's grid of rho = 7 is even."""

_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(24)


def slope_weights(
    nodes: Sequence[float], start: float, end: float, basis: Basis = "sigma"
) -> list[float]:
    """Of slopes dx/dsigma at `nodes`: x(end) = x(start) + sum of weight times slope.

    Args:
        nodes: 1 to 4 distinct positive levels.
        start, end: positive levels. A step to 0 is Euler's: the weight of its one slope is -start.
        basis: variable of the polynomial.
    """
    return _integrate(nodes, start, end, basis, np.ones_like)


def estimate_weights(
    nodes: Sequence[float], start: float, end: float, basis: Basis = "sigma"
) -> list[float]:
    """Of denoised estimates D at `nodes`: x(end) = end / start x(start) + sum of weight times D.

    The ODE dx/ds = (x - D) / s is linear in x, so that what is known of x is carried exactly and
    only D is extrapolated; the kernel is -end / s². Arguments as of `slope_weights`.
    """
    return _integrate(nodes, start, end, basis, lambda s: -end / s**2)


def _integrate(
    nodes: Sequence[float],
    start: float,
    end: float,
    basis: Basis,
    kernel: Callable[[np.ndarray], np.ndarray],
) -> list[float]:
    centre, half = math.log(start * end) / 2, math.log(end / start) / 2
    s = np.exp(centre + half * _POINTS)
    weight = half * _WEIGHTS * s * kernel(s)  # ds = s d ln(s)
    z, at = BASES[basis](s), BASES[basis](np.asarray(nodes, dtype=np.float64))
    return [
        float(weight @ np.prod([(z - a) / (at[j] - a) for a in np.delete(at, j)], axis=0))
        if len(at) > 1
        else float(weight.sum())
        for j in range(len(at))
    ]
