"""Text encoders: captions to the token embeddings that video networks attend to."""

from pyoco_eval.models.text.encoder import TextEncoder
from pyoco_eval.models.text.load import load_text_encoder

__all__ = ["TextEncoder", "load_text_encoder"]
