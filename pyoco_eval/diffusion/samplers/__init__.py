"""Samplers: each one readable function of the same leading arguments.

    (denoiser, noise, sigmas, *, cond, prior, generators, on_step, ...) -> x

`noise` has unit variance, (B, T, C, H, W), and `sigmas` (num_steps + 1,) the noise levels to pass,
of `pyoco_eval.diffusion.schedules`: the state starts at sigmas[0] * noise. The state is float64
throughout and so is the result; the network runs in its own dtype. Where noise is added it comes
from `prior` and the samples' `generators`. All solve dx/dsigma = (x - D(x; sigma)) / sigma, which
holds for noise of any correlation over frames; they also walk it upwards, on a rising grid.
"""

from pyoco_eval.diffusion.samplers.ddim import ddim
from pyoco_eval.diffusion.samplers.deis import deis
from pyoco_eval.diffusion.samplers.heun import heun
from pyoco_eval.diffusion.samplers.spec import SamplerSpec
from pyoco_eval.diffusion.samplers.stochastic import stochastic

__all__ = ["SamplerSpec", "ddim", "deis", "heun", "stochastic"]
