"""The same mp4 files through this package and through the tools its conventions are named after.

    python benchmarks/peers_end_to_end.py FOLDER [--clips 64] [--out docs/peers.json]

Cuts real clips of FOLDER into mp4 files of 16 frames, a part of them as the reference. Every tool
gets what its users give it: frames decoded by decord, as arrays (cd-fvd, torchmetrics) or as PNG
(pytorch-fid, clean-fid, torch-fidelity). This package gets the mp4 files. All share random weights
in the published formats. cd-fvd's own reader needs torchvision's video reader, which is gone.
Chainer cannot be installed with today's NumPy, so its C3D stands here again in plain PyTorch, with
its preprocessing and its formula written from its source.
"""

import argparse
import json
import tempfile
import warnings
from collections.abc import Callable
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from bench_c3d import plain_network, random_network
from bench_i3d import random_state
from bench_inception import random_weights
from PIL import Image

import pyoco_eval
from pyoco_eval.errors import VideoError
from pyoco_eval.features.torchvision_operators import import_torchvision
from pyoco_eval.videos.source import open_source
from pyoco_eval.videos.write import write_video

import_torchvision()

import cleanfid.fid  # noqa: E402
import cleanfid.resize  # noqa: E402
import decord  # noqa: E402
import pytorch_fid.fid_score  # noqa: E402
import pytorch_fid.inception  # noqa: E402
import torch_fidelity  # noqa: E402
from cdfvd.fvd import cdfvd  # noqa: E402
from cdfvd.third_party.i3d.pytorch_i3d import InceptionI3d  # noqa: E402
from torchmetrics.image.fid import FrechetInceptionDistance, NoTrainInceptionV3  # noqa: E402

NUM_FRAMES = 16
SIZE = 128
LIBRARIES = ("av", "decord", "numpy", "pillow", "scipy", "torch")
Sides = tuple[Path, Path]


def cut_clips(videos: Path, folder: Path, count: int) -> Sides:
    """`count` mp4 files in all, every third one in `reference`."""
    sides = folder / "samples", folder / "reference"
    for side in sides:
        side.mkdir()
    made = 0
    while made < count:
        before = made
        for video in open_source(videos):
            start = NUM_FRAMES * (made // 20)
            try:
                frames = [f() for f in islice(video.walk(), start, start + NUM_FRAMES)]
            except VideoError:
                continue
            if len(frames) < NUM_FRAMES or min(frames[0].shape[:2]) < SIZE or made == count:
                continue
            write_video(sides[made % 3 == 2] / f"{made:04d}.mp4", np.stack([*map(square, frames)]))
            made += 1
        if made == before:
            raise SystemExit(f"{videos}: long enough for {made} clips only")
    return sides


def square(frame: np.ndarray) -> np.ndarray:
    """The middle square, (SIZE, SIZE, 3)."""
    height, width = frame.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    middle = Image.fromarray(frame[top : top + side, left : left + side])
    return np.asarray(middle.resize((SIZE, SIZE), Image.Resampling.LANCZOS))


def decoded(folder: Path) -> np.ndarray:
    """(N, 16, SIZE, SIZE, 3) uint8, by decord."""
    clips = []
    for path in sorted(folder.iterdir()):
        reader = decord.VideoReader(str(path), num_threads=1)
        clips.append(reader.get_batch(range(NUM_FRAMES)).asnumpy())
    return np.stack(clips)


def write_pictures(clips: np.ndarray, folder: Path, every: int) -> Path:
    folder.mkdir()
    for number, clip in enumerate(clips):
        for index in range(0, NUM_FRAMES, every):
            Image.fromarray(clip[index]).save(folder / f"{number:04d}-{index:02d}.png")
    return folder


def by_cd_fvd(sides: list[np.ndarray], state: dict[str, torch.Tensor]) -> float:
    network = InceptionI3d(400, in_channels=3)
    network.load_state_dict(state, strict=False)
    with mock.patch("cdfvd.fvd.load_i3d_model", return_value=network.eval()):
        tool = cdfvd("i3d", device="cpu", n_fake="full")
    return float(tool.compute_fvd(sides[1], sides[0]))


def by_pytorch_fid(folders: list[str], inception: Path) -> float:
    state = torch.load(inception, weights_only=True)
    with mock.patch("pytorch_fid.inception.load_state_dict_from_url", return_value=state):
        return float(
            pytorch_fid.fid_score.calculate_fid_given_paths(folders, 16, "cpu", 2048, num_workers=0)
        )


def by_clean_fid(folders: list[str], inception: Path) -> float:
    state = torch.load(inception, weights_only=True)
    with mock.patch("pytorch_fid.inception.load_state_dict_from_url", return_value=state):
        network = pytorch_fid.inception.InceptionV3([3], False, False).eval()
    return float(
        cleanfid.fid.compute_fid(
            *folders, mode="clean", device=torch.device("cpu"), num_workers=0, verbose=False,
            use_dataparallel=False,
            custom_feat_extractor=lambda x: network((x - 128) / 128)[0][:, :, 0, 0],
        )
    )  # fmt: skip


def by_torch_fidelity(folders: list[str], inception: Path) -> float:
    found = torch_fidelity.calculate_metrics(
        input1=folders[0], input2=folders[1], fid=True, cuda=False, verbose=False, cache=False,
        save_cpu_ram=True, feature_extractor_weights_path=str(inception),
    )  # fmt: skip
    return float(found["frechet_inception_distance"])


def by_torchmetrics(sides: list[np.ndarray], inception: Path, every: int) -> float:
    network = NoTrainInceptionV3(
        name="inception-v3-compat",
        features_list=["2048"],
        feature_extractor_weights_path=str(inception),
    )
    metric = FrechetInceptionDistance(feature=network)
    for clips, is_real in zip(sides, (False, True), strict=True):
        for clip in clips[:, ::every]:
            metric.update(torch.from_numpy(clip).permute(0, 3, 1, 2), real=is_real)
    return float(metric.compute())


def by_tgan2(clips: np.ndarray, mean: np.ndarray, dtype: torch.dtype = torch.float32) -> float:
    """TGANv2's Inception Score: its input, C3D, one split, 1e-20 before the logarithm."""
    network, probabilities = plain_network(random_network()).to(dtype), []
    crop = torch.from_numpy(mean[:, :, 8:120, 8:120]).to(dtype)
    for clip in clips:
        x = torch.from_numpy(clip).permute(0, 3, 1, 2).to(dtype) / 255 * 2 - 1
        bgr = x[:, [2, 1, 0]] * 128
        resized = torch.nn.functional.interpolate(
            bgr, (112, 112), mode="bilinear", align_corners=True
        )
        volume = resized.transpose(0, 1) + (128 - crop)
        with torch.no_grad():
            probabilities.append(network(volume[None]).softmax(1)[0].numpy())
    p = np.asarray(probabilities, np.float64) + 1e-20
    return float(np.exp((p * (np.log(p) - np.log(p.mean(0)))).sum(1).mean()))


def write_c3d(folder: Path) -> tuple[Path, Path, np.ndarray]:
    """The network of `bench_c3d` in Chainer's format, and a mean cube."""
    network = random_network()
    arrays = {}
    for name, unit in network.convolutions.items():
        arrays |= {f"{name}/W": unit.weight.contiguous().numpy(), f"{name}/b": unit.bias.numpy()}
    for name in ("fc6", "fc7", "fc8"):
        layer = getattr(network, name)
        arrays |= {f"{name}/W": layer.weight.numpy(), f"{name}/b": layer.bias.numpy()}
    mean = np.random.default_rng(0).uniform(80, 120, (3, 16, 128, 171)).astype(np.float32)
    np.savez(folder / "c3d.npz", **arrays)
    np.savez(folder / "mean.npz", mean=mean)
    return folder / "c3d.npz", folder / "mean.npz", mean


def ours(sides: Sides, weights: dict[str, Path], every: int) -> dict[str, float]:
    """Every convention from the mp4 files, video and frame metrics in a pass each."""
    common = {"weights": weights, "device": "cpu", "allow_small": True}
    video = pyoco_eval.evaluate(
        *sides, metrics=["fvd", "is"], conventions={"fvd": "cd-fvd", "is": "tgan2"}, **common
    )
    image = pyoco_eval.evaluate(
        *sides, metrics=["fid"], conventions={"fid": "pytorch-fid"},
        also_as=["clean", "legacy-tf", "torchmetrics"],
        num_frames=NUM_FRAMES // every, stride=every, **common,
    )  # fmt: skip
    scores = [*video.scores, *image.scores]
    assert all(str(s.signature.get("rgb")) == "peer-video" for s in scores)
    return {str(score.signature.get("conv")): score.value for score in scores}


def compare(videos: Path, count: int, every: int) -> dict[str, object]:
    """All tools on `count` clips; image tools see each `every`-th frame."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sides = cut_clips(videos, folder, count)
        state, inception = random_state(), folder / "inception.pth"
        torch.save(state, folder / "i3d.pt")
        random_weights(inception)
        c3d, c3d_mean, mean = write_c3d(folder)
        weights = {
            "i3d": folder / "i3d.pt", "inception": inception, "c3d": c3d, "c3d-mean": c3d_mean,
        }  # fmt: skip
        arrays = [decoded(side) for side in sides]
        pictures = [
            str(write_pictures(clips, folder / f"png-{side.name}", every))
            for clips, side in zip(arrays, sides, strict=True)
        ]
        tools: dict[str, tuple[str, Callable[[], float]]] = {
            "cd-fvd": ("cd-fvd", lambda: by_cd_fvd(arrays, state)),
            "tgan2": ("", lambda: by_tgan2(arrays[0], mean)),
            "pytorch-fid": ("pytorch-fid", lambda: by_pytorch_fid(pictures, inception)),
            "clean": ("clean-fid", lambda: by_clean_fid(pictures, inception)),
            "legacy-tf": ("torch-fidelity", lambda: by_torch_fidelity(pictures, inception)),
            "torchmetrics": ("torchmetrics", lambda: by_torchmetrics(arrays, inception, every)),
        }
        found, rows = ours(sides, weights, every), []
        for convention, (package, tool) in tools.items():
            with warnings.catch_warnings(action="ignore"):  # scipy's, of the tools' square root
                theirs = tool()
            relative = abs(found[convention] - theirs) / abs(theirs)
            limit = None
            if convention == "tgan2":  # what float32 itself costs this network
                exact = by_tgan2(arrays[0], mean, torch.float64)
                limit = abs(theirs - exact) / exact
                relative = abs(found[convention] - exact) / exact
            rows.append(
                {
                    "convention": convention,
                    "tool": f"{package} {version(package)}" if package else "in plain PyTorch",
                    "theirs": theirs,
                    "ours": found[convention],
                    "relative": relative,
                    "limit": limit,
                }
            )
            print(f"{convention:14} {theirs:14.6f} {found[convention]:14.6f} {relative:9.1e}")
        return {
            "clips": [len(clips) for clips in arrays],
            "frames": [len(clips) * NUM_FRAMES // every for clips in arrays],
            "versions": {
                name: version(name)
                for name in ("av", "decord", "numpy", "pillow", "scipy", "torch")
            },
            "rows": rows,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description="Scores of the tools and ours, of the same mp4.")
    parser.add_argument("folder", type=Path, help="of real videos")
    parser.add_argument("--clips", type=int, default=96, help="a third of them the reference")
    parser.add_argument("--every", type=int, default=16, help="image tools see each n-th frame")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    options = parser.parse_args()
    found = compare(options.folder, options.clips, options.every)
    if options.out is not None:
        options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
