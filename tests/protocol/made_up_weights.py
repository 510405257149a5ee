"""A made-up file in every published weight format, as `--weights` options."""

from pathlib import Path

import numpy as np
import open_clip
import torch
import torchvision
from golden_weights import c3d_arrays, i3d_tensors, mean_cube
from test_torchscript import Lookalike, LookalikeC3D, script

from pyoco_eval.features.i3d.published_tensors import published_tensors


def write_video_networks(folder: Path) -> list[str]:
    """I3D and C3D; with the TorchScript stand-ins of StyleGAN-V's."""
    tensors = dict(i3d_tensors())
    with (folder / "i3d.data").open("wb") as checkpoint:
        for record in published_tensors():
            checkpoint.seek(record.offset)
            checkpoint.write(tensors[record.name].tobytes())
    np.savez(folder / "c3d.npz", **c3d_arrays())  # type: ignore[arg-type]
    np.savez(folder / "mean.npz", mean=mean_cube())
    script(Lookalike(), folder / "i3d.pt")
    script(LookalikeC3D(), folder / "c3d.pt")
    return _options(
        folder,
        {"i3d": "i3d.data", "c3d": "c3d.npz", "c3d-mean": "mean.npz",
         "i3d-torchscript": "i3d.pt", "c3d-torchscript": "c3d.pt"},
    )  # fmt: skip


def write_image_networks(folder: Path) -> list[str]:
    """Inception and CLIP."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        inception = torchvision.models.inception_v3(
            weights=None, num_classes=1008, aux_logits=False, init_weights=False
        )
        torch.save(inception.state_dict(), folder / "inception.pth")
        clip = open_clip.create_model("ViT-B-32-quickgelu", pretrained=None)
        torch.save(clip.state_dict(), folder / "clip.pth")
    return _options(folder, {"inception": "inception.pth", "clip": "clip.pth"})


def _options(folder: Path, files: dict[str, str]) -> list[str]:
    return [word for key, name in files.items() for word in ("--weights", f"{key}={folder / name}")]
