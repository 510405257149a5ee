"""One process or many, CPU or GPU: where tensors live and how gradients meet.

accelerate wraps the network (DistributedDataParallel, or fully sharded), moves it and runs it under
autocast. Tensors are gathered whole for checkpoints, whatever the sharding, so that a run may go
on with another number of processes.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from pyoco_eval.errors import MissingError, UsageError
from pyoco_eval.training.config import HardwareConfig

if TYPE_CHECKING:
    from pyoco_eval.diffusion.precondition import EDMDenoiser


class Engine:
    """The processes of a run.

    Attributes:
        rank, size: number of this process, and how many there are.
        device: of this process.

    Raises:
        MissingError: accelerate is not installed.
        UsageError: no such device, or a sharding that one process cannot have.
    """

    def __init__(self, config: HardwareConfig) -> None:
        try:
            import accelerate
        except ImportError as error:
            raise MissingError(
                "training needs accelerate, which is not installed; pip install 'pyoco-eval[train]'"
            ) from error
        if config.device == "cuda" and not torch.cuda.is_available():
            raise UsageError("hardware.device: there is no CUDA device here; use cpu or auto")
        if config.threads is not None:
            torch.set_num_threads(config.threads)
        plugin: dict[str, Any] = {}
        if config.sharding == "fsdp":
            plugin["fsdp_plugin"] = accelerate.FullyShardedDataParallelPlugin(
                fsdp_version=2,
                auto_wrap_policy="transformer_based_wrap",
                transformer_cls_names_to_wrap=["Stage"],
            )
        self._accelerator = accelerate.Accelerator(
            cpu=config.device == "cpu",
            mixed_precision="bf16" if config.precision == "bf16" else "no",
            **plugin,
        )
        self.rank: int = self._accelerator.process_index
        self.size: int = self._accelerator.num_processes
        self.device: torch.device = self._accelerator.device
        if config.sharding == "fsdp" and self.size == 1 and self.device.type == "cpu":
            raise UsageError("hardware.sharding: fsdp needs several processes, or a GPU")

    @property
    def is_main(self) -> bool:
        return self.rank == 0

    def prepare(
        self, denoiser: "EDMDenoiser", optimizer: torch.optim.Optimizer
    ) -> tuple[nn.Module, torch.optim.Optimizer]:
        """The denoiser and its optimizer, wrapped for this run."""
        wrapped, prepared = self._accelerator.prepare(denoiser, optimizer)
        assert isinstance(wrapped, nn.Module)
        return wrapped, getattr(prepared, "optimizer", prepared)

    def accumulating(self, module: nn.Module, more: bool) -> AbstractContextManager[None]:
        """Around a forward and backward pass; with `more` to come, gradients stay local."""
        if not more:
            return nullcontext()
        context: AbstractContextManager[None] = self._accelerator.no_sync(module)
        return context

    def backward(self, loss: torch.Tensor) -> None:
        self._accelerator.backward(loss)

    def clip_gradients(self, module: nn.Module, largest: float) -> torch.Tensor:
        """Scale the gradients to a 2-norm of at most `largest`; returns what it was."""
        norm = self._accelerator.clip_grad_norm_(module.parameters(), largest)
        return whole(norm.detach())

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

    def wait(self) -> None:
        """For all processes."""
        self._accelerator.wait_for_everyone()

    def end(self) -> None:
        """Leave the group of processes; another run may begin in this process."""
        from accelerate.state import AcceleratorState

        self._accelerator.end_training()
        AcceleratorState._reset_state(reset_partial_state=True)


def local(tensor: torch.Tensor) -> torch.Tensor:
    """This process's part of a sharded tensor; others as they are."""
    part: torch.Tensor = tensor.to_local() if hasattr(tensor, "to_local") else tensor
    return part


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """A sharded tensor gathered from all processes, which must all call this."""
    full: torch.Tensor = tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor
    return full


def placed(tensor: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """A whole tensor as `like`: its device, memory layout and sharding."""
    copied = torch.zeros_like(like)
    if hasattr(like, "device_mesh"):
        from torch.distributed.tensor import DTensor, distribute_tensor

        assert isinstance(like, DTensor)
        shared = distribute_tensor(tensor.to(like.device), like.device_mesh, like.placements)
        local(copied).copy_(local(shared))
    else:
        copied.copy_(tensor)
    return copied
