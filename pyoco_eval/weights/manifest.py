"""Every weight file the published networks need: addresses, size, licence and hash.

References: sizes and hashes as pinned by the projects named in `source`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final


@dataclass(frozen=True)
class PublishedFile:
    """One file of the manifest.

    Attributes:
        key: as in `--weights KEY=FILE`.
        name: file name in the cache.
        about: what it is.
        addresses: tried in order.
        digest: `sha256:<hex>` or `gitblob:<hex>`; None where no hash was ever published.
        size: in bytes, None where unknown.
        licence: SPDX name, or what is known.
        source: whose pin the hash and size are.
    """

    key: str
    name: str
    about: str
    addresses: tuple[str, ...]
    digest: str | None
    size: int | None
    licence: str
    source: str


@dataclass(frozen=True)
class WeightFile:
    """A weight file on this machine.

    Attributes:
        key: which weights it stands for.
        path: where it is.
        digest: `sha256:<hex>` or `gitblob:<hex>` of its content.
        published: whether that is the digest of the published file.
    """

    key: str
    path: Path
    digest: str
    published: bool

    @property
    def short(self) -> str:
        """First eight hexadecimal digits of the digest, as in signatures."""
        return self.digest.partition(":")[2][:8]


_CLIP_SHA256 = "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af"
_CLIP_L14_SHA256 = "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836"

_FILES = (
    PublishedFile(
        key="i3d",
        name="i3d_rgb_scratch.ckpt.data-00000-of-00001",
        about="I3D, Kinetics-400, RGB from scratch: the weights of TF-Hub i3d-kinetics-400/1",
        addresses=(
            "https://raw.githubusercontent.com/google-deepmind/kinetics-i3d/"
            "0667e889a5904b4dc122e0ded4c332f49f8df42c/data/checkpoints/rgb_scratch/"
            "model.ckpt.data-00000-of-00001",
            "https://raw.githubusercontent.com/JunyaoHu/common_metrics_on_video_quality/"
            "5f751734ce9cef4cd2dddb235726b75dff62a387/fvd/tensorflow/"
            "i3d-kinetics-tensorflow1-400-v1/variables/variables.data-00000-of-00001",
        ),
        digest="gitblob:fa7df95674dbf3579e7fccd954e51e706b4734c1",
        size=50_818_176,
        licence="Apache-2.0",
        source="git trees of both repositories; crc32c of each tensor in the index file",
    ),
    PublishedFile(
        key="c3d",
        name="conv3d_deepnetA_ucf.npz",
        about="C3D finetuned on UCF-101, as TGANv2 converted it for Chainer",
        addresses=(
            "https://github.com/rezoo/tgan2/releases/download/v1.0/conv3d_deepnetA_ucf.npz",
        ),
        digest=None,
        size=None,
        licence="not stated",
        source="rezoo/tgan2 release v1.0; no hash was ever published",
    ),
    PublishedFile(
        key="c3d-mean",
        name="mean2.npz",
        about="mean cube (3, 16, 128, 171) that C3D subtracts",
        addresses=("https://github.com/rezoo/tgan2/releases/download/v1.0/mean2.npz",),
        digest=None,
        size=None,
        licence="not stated",
        source="rezoo/tgan2 release v1.0; no hash was ever published",
    ),
    PublishedFile(
        key="inception",
        name="pt_inception-2015-12-05-6726825d.pth",
        about="the FID Inception of 2015-12-05, converted for PyTorch",
        addresses=(
            "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
            "pt_inception-2015-12-05-6726825d.pth",
            "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
            "weights-inception-2015-12-05-6726825d.pth",
        ),
        digest="sha256:6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        size=95_628_359,
        licence="Apache-2.0",
        source="pytorch-fid and torch-fidelity",
    ),
    PublishedFile(
        key="clip",
        name="ViT-B-32.pt",
        about="OpenAI CLIP ViT-B/32",
        addresses=(f"https://openaipublic.azureedge.net/clip/models/{_CLIP_SHA256}/ViT-B-32.pt",),
        digest=f"sha256:{_CLIP_SHA256}",
        size=353_976_522,
        licence="MIT",
        source="openai/CLIP, whose addresses contain the hash; size as several projects pin it",
    ),
    PublishedFile(
        key="clip-vitl14",
        name="ViT-L-14.pt",
        about="OpenAI CLIP ViT-L/14",
        addresses=(
            f"https://openaipublic.azureedge.net/clip/models/{_CLIP_L14_SHA256}/ViT-L-14.pt",
        ),
        digest=f"sha256:{_CLIP_L14_SHA256}",
        size=932_768_134,
        licence="MIT",
        source="openai/CLIP, whose addresses contain the hash; size as several projects pin it",
    ),
    PublishedFile(
        key="aesthetic",
        name="sac+logos+ava1-l14-linearMSE.pth",
        about="LAION's improved aesthetic predictor: a linear head on CLIP ViT-L/14",
        addresses=(
            "https://raw.githubusercontent.com/christophschuhmann/improved-aesthetic-predictor/"
            "main/sac%2Blogos%2Bava1-l14-linearMSE.pth",
        ),
        digest="sha256:21dd590f3ccdc646f0d53120778b296013b096a035a2718c9cb0d511bff0f1e0",
        size=3_714_759,
        licence="Apache-2.0",
        source="christophschuhmann/improved-aesthetic-predictor; hash as several projects pin it",
    ),
    PublishedFile(
        key="i3d-torchscript",
        name="i3d_torchscript.pt",
        about="I3D, Kinetics-400, as StyleGAN-V has it: a program, executed only with --trust",
        addresses=(
            "https://huggingface.co/flateon/FVD-I3D-torchscript/resolve/"
            "1c2d61711c52571ad617a1063e6fa691b212e184/i3d_torchscript.pt",
            "https://www.dropbox.com/s/ge9e5ujwgetktms/i3d_torchscript.pt?dl=1",
        ),
        digest="sha256:bec6519f66ea534e953026b4ae2c65553c17bf105611c746d904657e5860a5e2",
        size=51_235_320,
        licence="not stated",
        source="eight independent repositories that pin it",
    ),
    PublishedFile(
        key="c3d-torchscript",
        name="c3d_ucf101.pt",
        about="C3D on UCF-101, as StyleGAN-V distributes it: a program, executed only with --trust",
        addresses=("https://www.dropbox.com/s/jxpu7avzdc9n97q/c3d_ucf101.pt?dl=1",),
        digest=None,
        size=None,
        licence="not stated",
        source="universome/stylegan-v; no hash was ever published",
    ),
)

MANIFEST: Final[Mapping[str, PublishedFile]] = {entry.key: entry for entry in _FILES}
