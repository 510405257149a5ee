"""One process or many, CPU or GPU: where tensors live and how gradients meet.

Every process has the whole network and gradients are averaged, or `fully_shard` divides it among
them, on GPUs and CPUs alike. Tensors are gathered whole for checkpoints, so that a run may go on
with another number of processes.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.parallel import DistributedDataParallel

from pyoco_eval.errors import UsageError
from pyoco_eval.models.network import VideoNetwork
from pyoco_eval.products import Products
from pyoco_eval.training.config import HardwareConfig
from pyoco_eval.training.hardware_device import TrainingGroup, asked_device

if TYPE_CHECKING:
    from pyoco_eval.diffusion.precondition import EDMDenoiser, VPDenoiser


class Engine:
    """The processes of a run.

    Attributes:
        rank, size: number of this process, and how many there are.
        device: of this process.

    Raises:
        MissingError: this machine has no such device.
        UsageError: no device, or a sharding that one process cannot have.
        PeerError: a process of the launcher does not come.
    """

    def __init__(self, config: HardwareConfig) -> None:
        self.device = asked_device(config.device)
        if config.threads is not None:
            torch.set_num_threads(config.threads)
        self._config = config
        self._fully_sharded = config.sharding == "fsdp"
        self._autocast = config.precision == "bf16"
        self._wrapped: list[nn.Module] = []
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)
        self._group = TrainingGroup(self.device)
        self.rank, self.size = self._group.rank, self._group.size
        if self._fully_sharded and self.size == 1:
            raise UsageError(
                "hardware.sharding: fsdp divides a network among processes, and there is one; "
                "start them with torchrun, or use ddp"
            )
        if self.size % (config.shard_size or 1):
            raise UsageError(
                f"hardware.shard_size: {self.size} processes do not divide into groups of "
                f"{config.shard_size}"
            )
        self._products = Products()
        self._products.round_factors(config.tf32)

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def wrap(self, denoiser: "EDMDenoiser | VPDenoiser") -> nn.Module:
        """The denoiser as this run calls it; its parameters may be other objects afterwards."""
        if not self._fully_sharded:
            if self.size == 1:
                return denoiser
            own = [self.device.index] if self.device.type == "cuda" else None
            self._wrapped.append(DistributedDataParallel(denoiser, device_ids=own))
            return self._wrapped[-1]
        # Stages return views, which nothing in training changes in place.
        warnings.filterwarnings("ignore", r"FSDP2-wrapped module .* returned a view tensor")
        for parameter in denoiser.parameters():  # channels last cannot be divided
            parameter.data = parameter.data.contiguous()
        assert isinstance(denoiser.network, VideoNetwork)
        mesh, policy = self._mesh(), self._policy()
        for module in denoiser.modules():
            if isinstance(module, denoiser.network.stages):
                fully_shard(module, mesh=mesh, mp_policy=policy)
        fully_shard(denoiser, mesh=mesh)  # noise levels and what enters and leaves stay float32
        return denoiser

    def _mesh(self) -> DeviceMesh:
        """One row of processes for every copy of the network."""
        shards = self._config.shard_size or self.size
        if shards == self.size:
            return init_device_mesh(self.device.type, (self.size,))
        return init_device_mesh(
            self.device.type,
            (self.size // shards, shards),
            mesh_dim_names=("replicate", "shard"),
        )

    def _policy(self) -> MixedPrecisionPolicy:
        dtypes = {"fp32": torch.float32, "bf16": torch.bfloat16}
        return MixedPrecisionPolicy(
            param_dtype=dtypes[self._config.param_dtype],
            reduce_dtype=dtypes[self._config.reduce_dtype],
            cast_forward_inputs=self._config.param_dtype == "bf16",
        )

    def autocast(self) -> torch.autocast:
        """Around what runs in bfloat16 if the run is to."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self._autocast)

    @contextmanager
    def accumulating(self, module: nn.Module, more: bool) -> Iterator[None]:
        """Around a forward and backward pass; with `more` to come, gradients stay local."""
        if isinstance(module, FSDPModule):
            module.set_requires_gradient_sync(not more)
        kept = module.no_sync() if more and isinstance(module, DistributedDataParallel) else None
        with kept or nullcontext():
            yield

    def mean(self, value: float) -> float:
        """Over all processes."""
        if self.size == 1:
            return value
        return self.sum(value) / self.size

    def sum(self, value: float) -> float:
        """Over all processes."""
        total = torch.tensor([value], dtype=torch.float64, device=self.device)
        if self.size > 1:
            torch.distributed.all_reduce(total)
        return float(total.item())

    def added(self, values: torch.Tensor) -> torch.Tensor:
        """Sums over all processes, element by element."""
        if self.size > 1:
            torch.distributed.all_reduce(values)
        return values

    def most(self, *values: float) -> tuple[float, ...]:
        """The greatest of each over all processes, in one exchange."""
        if self.size == 1:
            return values
        found = torch.tensor(values, dtype=torch.float64, device=self.device)
        torch.distributed.all_reduce(found, torch.distributed.ReduceOp.MAX)
        return tuple(found.tolist())

    def wait(self) -> None:
        """For all processes."""
        self._group.wait()

    def wait_for_the_last_time(self) -> None:
        """For all processes, each of which may end from then on."""
        self._group.wait_for_the_last_time()

    def end(self) -> None:
        """Leave the group of processes; another run may begin in this process."""
        self._products.restore()
        for module in self._wrapped:
            let_go(module)
        self._group.leave()


def let_go(module: nn.Module) -> None:
    """Take the group of processes from a data-parallel network, before the group is destroyed.

    Its reducer would else hold the last reference to the group. torch then ends the group's threads
    while the interpreter is locked, and waits for ever if one of them is just freeing a tensor, for
    which it needs the interpreter (torch 2.13, gloo).
    """
    if isinstance(module, DistributedDataParallel):
        del module.reducer, module.logger


@contextmanager
def evaluating(denoiser: nn.Module) -> Iterator[nn.Module]:
    """The denoiser in evaluation mode and without gradients; sharded afterwards as it was.

    Processes whose network is divided must call it equally often; others need not.
    """
    inner = denoiser.module if isinstance(denoiser, DistributedDataParallel) else denoiser
    denoiser.eval()
    try:
        with torch.no_grad():
            yield inner
    finally:
        for module in denoiser.modules():
            if isinstance(module, FSDPModule):
                module.reshard()  # a backward pass would have done it
        denoiser.train()


def gradient_norm(parameters: Sequence[nn.Parameter]) -> torch.Tensor:
    """The 2-norm of all gradients together, whole on every process."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    return whole(nn.utils.get_total_norm(gradients).detach())


def clip_gradients(parameters: Sequence[nn.Parameter], largest: float, norm: torch.Tensor) -> None:
    """Scale gradients of this 2-norm to one of at most `largest`."""
    nn.utils.clip_grads_with_norm_(parameters, largest, norm)


def local(tensor: torch.Tensor) -> torch.Tensor:
    """This process's part of a sharded tensor; others as they are."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """A sharded tensor gathered from all processes, which must all call this."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def part_of(part: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """What `local` took from a tensor laid out as `like`, as such a tensor again.

    The type of `like` decides, never a shape: a part may have the shape of the whole, as on the
    first process where the first axis is 1, and the others then wait for it for ever.
    """
    if not isinstance(like, DTensor):
        return part
    return DTensor.from_local(
        part, like.device_mesh, like.placements, shape=like.shape, stride=like.stride()
    )


def placed(tensor: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """A whole tensor as `like`: its device, memory layout and sharding."""
    copied = torch.zeros_like(like)
    if isinstance(like, DTensor):
        shared = distribute_tensor(tensor.to(like.device), like.device_mesh, like.placements)
        local(copied).copy_(local(shared))
    else:
        copied.copy_(tensor)
    return copied
