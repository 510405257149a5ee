"""Text and labels as the layers take them: one embedding and one row of tokens per sample.

Axes: R samples, L text tokens of all encoders together, E width of an encoder's tokens, K common
width of tokens, D width of the noise embedding.
"""

from typing import Protocol

import torch
from torch import nn

from pyoco_eval.diffusion.denoiser import Conditioning, TextEmbedding
from pyoco_eval.errors import UsageError
from pyoco_eval.models.config import TextInput
from pyoco_eval.models.group_norm import silu


class TextProjection(nn.Module):
    """Tokens of one encoder in the network's own width.

    One learned token stands before them. It alone counts where the text was dropped or has no
    tokens, and does not count elsewhere.
    """

    def __init__(self, source: TextInput, text_width: int, embedding: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(source.width)
        self.tokens = nn.Linear(source.width, text_width)
        self.null = nn.Parameter(0.02 * torch.randn(text_width))
        self.pooled_norm = nn.LayerNorm(text_width)
        self.pooled1 = nn.Linear(text_width, embedding)
        self.pooled2 = nn.Linear(embedding, embedding)

    def forward(
        self, text: TextEmbedding | None, num_rows: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Tokens (R, 1 + L, K), mask bool (R, 1 + L), and the pooled text (R, D)."""
        null = self.null.expand(num_rows, 1, -1)
        if text is None:
            tokens, mask = null, torch.ones(num_rows, 1, dtype=torch.bool, device=null.device)
        else:
            projected = self.tokens(self.norm(text.tokens.to(null.dtype)))
            tokens = torch.cat([null.to(projected.dtype), projected], 1)
            mask = torch.cat([~text.mask.any(1, keepdim=True), text.mask], 1)
        weights = mask.to(tokens.dtype)[:, :, None]
        pooled = torch.where(mask[:, :, None], tokens, 0).sum(1) / weights.sum(1)
        return tokens, mask, self.pooled2(silu(self.pooled1(self.pooled_norm(pooled))))


class Told(Protocol):
    """The part of a network's description that says what it is told."""

    @property
    def num_classes(self) -> int:
        """Labels it knows, 0 for none."""
        ...

    @property
    def text(self) -> tuple[TextInput, ...]:
        """Text encoders it listens to."""
        ...

    @property
    def text_width(self) -> int:
        """K."""
        ...


class ConditioningEncoder(nn.Module):
    """Everything a `Conditioning` holds, for a network of one configuration."""

    def __init__(self, config: Told, embedding: int) -> None:
        super().__init__()
        self.num_classes = config.num_classes
        self.widths = {source.name: source.width for source in config.text}
        self.text = nn.ModuleDict(
            {
                source.name: TextProjection(source, config.text_width, embedding)
                for source in config.text
            }
        )
        if config.num_classes:
            self.labels = nn.Embedding(config.num_classes + 1, embedding)

    def forward(
        self, cond: Conditioning, num_rows: int
    ) -> tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]:
        """Addition to the embedding (R, D), tokens (R, L, K), mask (R, L); None where unused.

        Raises:
            UsageError: `cond` holds what this network was not built for, or has other rows.
        """
        self._check(cond, num_rows)
        added: list[torch.Tensor] = []
        parts = [
            projection(cond.text.get(name), num_rows) for name, projection in self.text.items()
        ]
        added += [pooled for _, _, pooled in parts]
        if self.num_classes:
            labels = cond.labels
            if labels is None:
                labels = torch.full((num_rows,), -1, device=self.labels.weight.device)
            added.append(self.labels(torch.where(labels < 0, self.num_classes, labels)))
        pooled = torch.stack(added).sum(0) if added else None
        if not parts:
            return pooled, None, None
        tokens = torch.cat([tokens for tokens, _, _ in parts], 1)
        mask = torch.cat([mask for _, mask, _ in parts], 1)
        return pooled, tokens, mask

    def _check(self, cond: Conditioning, num_rows: int) -> None:
        unknown = sorted(set(cond.text) - set(self.text))
        if unknown:
            raise UsageError(
                f"conditioning has text from {', '.join(unknown)}, but the network takes "
                f"{', '.join(self.text) or 'no text'}"
            )
        if cond.labels is not None and not self.num_classes:
            raise UsageError("conditioning has class labels, but the network takes none")
        for name, embedding in cond.text.items():
            width = self.widths[name]
            if len(embedding.tokens) != num_rows or embedding.tokens.shape[2] != width:
                raise UsageError(
                    f"text from {name} has tokens {tuple(embedding.tokens.shape)}; the network "
                    f"needs ({num_rows}, L, {width})"
                )
        if cond.labels is not None and cond.labels.shape != (num_rows,):
            raise UsageError(
                f"labels have shape {tuple(cond.labels.shape)}, the batch needs ({num_rows},)"
            )
