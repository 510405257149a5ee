"""Which of CUDA's attention kernels takes a call, and its operator in place of plain products.

A build without CUDA writes attention out as products and a softmax, on any device. On a GPU torch
chooses among kernels by rules (`aten/src/ATen/native/transformers/cuda/sdp_utils.cpp`, 2.9 to
2.13); those that matter here:

- flash: bfloat16 or float16, heads of at most 256 channels, no mask and no bias;
- memory-efficient: float32 too, any mask or bias, which torch pads to rows of eight;
- otherwise the products, which write every attention weight.

All want channels of a head side by side in memory.
"""

from collections import Counter
from typing import Any

import torch
import torch.nn.functional as F
from torch._subclasses.fake_tensor import FakeTensor

_HALF = (torch.bfloat16, torch.float16)
_plain = F.scaled_dot_product_attention
_flash = torch.ops.aten._scaled_dot_product_flash_attention
_efficient = torch.ops.aten._scaled_dot_product_efficient_attention


class Attention:
    """Takes the place of `F.scaled_dot_product_attention`.

    Attributes:
        used: kernels, and how often.
    """

    def __init__(self) -> None:
        self.used: Counter[str] = Counter()

    def __call__(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attn_mask: torch.Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        **others: Any,
    ) -> torch.Tensor:
        three = [query, key, value]
        if not any(isinstance(t, FakeTensor) and t.device.type == "cuda" for t in three):
            return _plain(query, key, value, attn_mask, dropout_p, is_causal, **others)
        if torch.is_autocast_enabled("cuda"):
            half = torch.get_autocast_dtype("cuda")
            three = [t.to(half) for t in three]
        dtype, width = three[0].dtype, query.shape[-1]
        side_by_side = all(t.stride(-1) == 1 and t.dim() == 4 for t in three)
        if others.get("enable_gqa") or not side_by_side or width > 256 or width % 8:
            self.used["products"] += 1
            return _plain(*three, attn_mask, dropout_p, is_causal, **others)
        if dtype in _HALF and attn_mask is None:
            self.used["flash"] += 1
            return _flash(*three, dropout_p, is_causal, **others)[0]
        self.used["efficient"] += 1
        bias = None if attn_mask is None else _bias(attn_mask, three[0], key.shape[2])
        wanted = query.requires_grad and torch.is_grad_enabled()
        return _efficient(*three, bias, wanted, dropout_p, is_causal, **others)[0]


def _bias(mask: torch.Tensor, query: torch.Tensor, num_keys: int) -> torch.Tensor:
    """A mask as numbers to add, or such numbers, in rows of eight, for every head."""
    if mask.dtype == torch.bool:
        mask = torch.zeros_like(mask, dtype=query.dtype).masked_fill_(~mask, float("-inf"))
    elif mask.dtype != query.dtype:
        raise RuntimeError(
            f"Expected attn_mask dtype to be bool or {query.dtype}, not {mask.dtype}"
        )
    if any(stride % 8 for stride in mask.stride()[:-1]):
        mask = F.pad(mask, (0, -num_keys % 8))[..., :num_keys]
    return mask.expand(*query.shape[:3], num_keys)
