"""The embedded head: how clean a frame of moving shapes is, from the embedding of `tinyclip`.

It was fitted to the strength of noise and blur (`scripts/build_aesthetic_head.py`): 10 for a clean
frame, 2 less for each level of `shapes.corruptions.LADDERS`. It knows nothing of beauty.
"""

import hashlib
from typing import Final

import numpy as np
from safetensors.numpy import load

from pyoco_eval.errors import MissingError
from pyoco_eval.features.aesthetic.head import AestheticHead
from pyoco_eval.features.base import WeightsIdentity
from pyoco_eval.features.tiny.extractor import WEIGHTS_FOLDER

FILE: Final = WEIGHTS_FOLDER / "aesthetic.safetensors"
NETWORK: Final = "tinyclip"
# sha256 of the weights that docs/embedded.md describes; others are labelled unverified.
_DIGEST: Final = "68b1f61fbf61b8f759e95cac59b1ef49f602c48f1ac323d8680a558a55285fcf"


def load_embedded_head() -> AestheticHead:
    """The head on `tinyclip` that comes with the package.

    Raises:
        MissingError: the package was installed without its weights.
    """
    if not FILE.is_file():
        raise MissingError(f"{FILE} is missing; install the package again")
    content = FILE.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    tensors = load(content)
    weight = tensors["weight"].astype(np.float64)
    identity = WeightsIdentity(digest[:8], f"sha256:{digest}", digest == _DIGEST)
    return AestheticHead("shapes-clean", weight, float(tensors["bias"][0]), identity)
