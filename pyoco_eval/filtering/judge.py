"""The networks of a filter, and what they say of one video.

Axes: k frames of a video, D dimensions of an embedding.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pyoco_eval.extraction.measure import planned_recipe
from pyoco_eval.extraction.networks import Network, load_text_encoder
from pyoco_eval.extraction.options import Options
from pyoco_eval.features.aesthetic.embedded import load_embedded_head
from pyoco_eval.features.aesthetic.head import AestheticHead, load_laion_head
from pyoco_eval.features.base import CaptionEncoder, FeatureExtractor, WeightsIdentity
from pyoco_eval.filtering.choices import CONVENTIONS, FilterChoices
from pyoco_eval.metrics.clipsim import clip_similarity
from pyoco_eval.metrics.signature import Signature
from pyoco_eval.version import __version__
from pyoco_eval.weights import resolve

_DIGITS = 6
"""Decimals of a score: what processors disagree about lies behind them."""


@dataclass(frozen=True)
class Judgement:
    """What was found of one video.

    Attributes:
        clip: mean over its frames of the cosine with its caption, in [-1, 1]; None if not asked.
        aesthetic: mean over its frames of the aesthetic score; None if not asked.
        cut: its caption is longer than the network reads, and lost its end.
    """

    clip: float | None
    aesthetic: float | None
    cut: bool = False


class Judge:
    """Networks, head and text encoder, loaded.

    Attributes:
        networks: name -> what was loaded, with the input rule it follows.
    """

    def __init__(self, choices: FilterChoices, options: Options) -> None:
        """Load what the thresholds ask for.

        Raises:
            MissingError: weights or an optional package are not there.
            WeightsError: a weight file holds something else.
        """
        self._choices = choices
        self._head: AestheticHead | None = None
        self._encoder: CaptionEncoder | None = None
        if choices.min_aesthetic is not None:  # first: it is small, and may be what is missing
            embedded = choices.profile == "embedded"
            self._head = (
                load_embedded_head()
                if embedded
                else load_laion_head(resolve("aesthetic", options.weights))
            )
        self.networks: dict[str, tuple[Network, FeatureExtractor]] = {}
        for name in (choices.similarity_network, choices.aesthetic_network):
            if name is not None and name not in self.networks:
                network = Network.named(name, options, rule=CONVENTIONS[name])
                self.networks[name] = (network, network.load(options))
        if choices.similarity_network is not None:
            self._encoder = load_text_encoder(choices.similarity_network, options)

    @property
    def reads_captions(self) -> bool:
        """Whether videos are compared with their captions."""
        return self._encoder is not None

    def __call__(self, rows: Mapping[str, np.ndarray], caption: str | None) -> Judgement:
        """Judge one video.

        Args:
            rows: of every network, float32 (k, D), k at least 1.
            caption: of the video, which is there where it is judged by one.
        """
        clip = aesthetic = None
        cut = False
        if self._encoder is not None:
            assert caption is not None
            before = self._encoder.truncated
            frames = rows[self._choices.similarity_network or ""]
            texts = self._encoder.encode([caption])  # one by one: batches move digits on a CPU
            cut = self._encoder.truncated > before
            owners = np.zeros(len(frames), np.int64)
            clip = round(clip_similarity(frames, texts, owners).mean, _DIGITS)
        if self._head is not None:
            frames = rows[self._choices.aesthetic_network or ""]
            aesthetic = round(float(self._head.scores(frames).mean()), _DIGITS)
        return Judgement(clip, aesthetic, cut)

    def signatures(self, options: Options, decoder: str) -> dict[str, Signature]:
        """How each score is made: `clip` and `aesthetic`, those that are asked for.

        Args:
            options: of the pass.
            decoder: as the source labels it.
        """
        label = "embedded" if self._choices.profile == "embedded" else None
        common = {"dec": decoder, "label": label, "v": __version__}
        found = {}
        for score, name, estimator in (
            ("clip", self._choices.similarity_network, "mean-cosine"),
            ("aesthetic", self._choices.aesthetic_network, self._head_label()),
        ):
            if name is not None:
                recipe = planned_recipe(*self.networks[name], options)
                del recipe["conv"]
                found[score] = Signature.of(recipe | {"est": estimator} | common)
        return found

    def describe(self) -> dict[str, dict[str, object]]:
        """Names and whole hashes of everything that was loaded, for the record."""
        found = {}
        for name, (network, extractor) in self.networks.items():
            found[name] = {"convention": network.base, **_of(extractor.spec.weights)}
        if self._head is not None:
            found[self._head.name] = {
                "on": self._choices.aesthetic_network,
                **_of(self._head.identity),
            }
        return found

    def _head_label(self) -> str:
        if self._head is None:
            return ""
        known = self._head.identity
        return f"mean-{self._head.name}@{known.short}{'' if known.published else '-unverified'}"


def _of(identity: WeightsIdentity) -> dict[str, object]:
    return {"weights": identity.digest, "published": identity.published}
