"""Video noise as public code draws it, rightly and wrongly: callables (shape, generator)."""

import math

import torch

Shape = tuple[int, ...]


def _maps(shape: Shape, generator: torch.Generator) -> torch.Tensor:
    return torch.randn(shape, generator=generator)


def _shared_and_own(
    shape: Shape, generator: torch.Generator, shared: float, own: float
) -> torch.Tensor:
    one = _maps((shape[0], 1, *shape[2:]), generator)
    return shared * one + own * _maps(shape, generator)


def _chained(shape: Shape, generator: torch.Generator, keep: float, own: float) -> torch.Tensor:
    frames = [_maps((shape[0], *shape[2:]), generator)]
    for _ in range(shape[1] - 1):
        frames.append(keep * frames[-1] + own * _maps(frames[-1].shape, generator))
    return torch.stack(frames, 1)


def mixed_right(alpha: float):
    u = alpha**2 / (1 + alpha**2)
    return lambda shape, g: _shared_and_own(shape, g, math.sqrt(u), math.sqrt(1 - u))


def progressive_right(alpha: float):
    u = alpha**2 / (1 + alpha**2)
    return lambda shape, g: _chained(shape, g, math.sqrt(u), math.sqrt(1 - u))


def cholesky_right(alpha: float):
    rho = alpha / math.hypot(1, alpha)

    def draw(shape: Shape, generator: torch.Generator) -> torch.Tensor:
        lag = (torch.arange(shape[1])[:, None] - torch.arange(shape[1])[None]).abs()
        lower = torch.linalg.cholesky(rho ** lag.double()).float()
        return torch.einsum("ij,bjchw->bichw", lower, _maps(shape, generator))

    return draw


def blend_right(gamma: float):
    """(γ n2 + (1 - γ) n1) / √(γ² + (1 - γ)²) is mixed noise with α = (1 - γ) / γ."""
    size = math.hypot(gamma, 1 - gamma)
    return lambda shape, g: _shared_and_own(shape, g, (1 - gamma) / size, gamma / size)


def mixed_std(alpha: float):
    u = alpha**2 / (1 + alpha**2)
    return lambda shape, g: _shared_and_own(shape, g, u, 1 - u)


def progressive_std(alpha: float):
    u = alpha**2 / (1 + alpha**2)
    return lambda shape, g: _chained(shape, g, u, 1 - u)


def progressive_own_std(alpha: float):
    u = alpha**2 / (1 + alpha**2)
    return lambda shape, g: _chained(shape, g, math.sqrt(u), 1 - u)


def mixed_rho(rho: float):
    """Frames correlate by what is meant to be alpha."""
    return lambda shape, g: _shared_and_own(shape, g, math.sqrt(rho), math.sqrt(1 - rho))


def progressive_rho(rho: float):
    return lambda shape, g: _chained(shape, g, rho, math.sqrt(1 - rho**2))


def repeated(shape: Shape, generator: torch.Generator) -> torch.Tensor:
    return _maps((shape[0], 1, *shape[2:]), generator).expand(shape)


def mean_of(count: int):
    def draw(shape: Shape, generator: torch.Generator) -> torch.Tensor:
        return _maps((count, *shape), generator).mean(0)

    return draw


def moving_mean(count: int):
    def draw(shape: Shape, generator: torch.Generator) -> torch.Tensor:
        more = _maps((shape[0], shape[1] + count - 1, *shape[2:]), generator)
        return more.unfold(1, count, 1).mean(-1)

    return draw


def added(alpha: float):
    return lambda shape, g: _shared_and_own(shape, g, alpha, 1.0)


def enlarged(shape: Shape, generator: torch.Generator) -> torch.Tensor:
    small = _maps((shape[0] * shape[1], shape[2], shape[3] // 2, shape[4] // 2), generator)
    return torch.nn.functional.interpolate(small, scale_factor=2, mode="bilinear").reshape(shape)


def between_keys(shape: Shape, generator: torch.Generator) -> torch.Tensor:
    """Every other frame is the mean of its neighbours."""
    keys = _maps((shape[0], shape[1] // 2 + 1, *shape[2:]), generator)
    means = (keys[:, 1:] + keys[:, :-1]) / 2
    woven = torch.stack([keys[:, :-1], means], 2).flatten(1, 2)
    return torch.cat([woven, keys[:, -1:]], 1)[:, : shape[1]]


def scaled(std: float):
    return lambda shape, g: std * _maps(shape, g)


def same_rows(shape: Shape, generator: torch.Generator) -> torch.Tensor:
    return _maps((1, *shape[1:]), generator).expand(shape)


def same_channels(shape: Shape, generator: torch.Generator) -> torch.Tensor:
    return _maps((*shape[:2], 1, *shape[3:]), generator).expand(shape)


def shifted(shape: Shape, generator: torch.Generator) -> torch.Tensor:
    return 0.1 + _maps(shape, generator)


def uniform(shape: Shape, generator: torch.Generator) -> torch.Tensor:
    return (torch.rand(shape, generator=generator) - 0.5) * math.sqrt(12)


def blurred(shape: Shape, generator: torch.Generator) -> torch.Tensor:
    noise = _maps(shape, generator)
    return (noise + noise.roll(1, -1)) / math.sqrt(2)


def one_frame_more(shape: Shape, generator: torch.Generator) -> torch.Tensor:
    return _maps((shape[0], shape[1] + 1, *shape[2:]), generator)
