"""The kinds of files that `fuzz_inputs.py` mutates: how a valid one is made, and how it is read."""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from PIL import Image

from pyoco_eval.videos.source import open_source

NUM_FRAMES, WIDTH, HEIGHT = 12, 64, 48


@dataclass(frozen=True)
class Kind:
    """One kind.

    Attributes:
        name: for `--only` and the table.
        suffix: of the file.
        write: makes a valid file.
        read: as users read it; equal results mean equal content.
        text: whether words are replaced rather than bytes.
        frames: whether the result is one hash a frame.
    """

    name: str
    suffix: str
    write: Callable[[Path], None]
    read: Callable[[Path], object]
    text: bool = False
    frames: bool = False


def frames() -> np.ndarray:
    """uint8 (T, H, W, 3): texture that moves."""
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 255, (HEIGHT // 4, WIDTH // 4, 3), dtype=np.uint8)
    texture = texture.repeat(4, axis=0).repeat(4, axis=1)
    return np.stack([np.roll(texture, (n, 3 * n), (0, 1)) for n in range(NUM_FRAMES)])


def read_videos(path: Path) -> tuple[str, ...]:
    """A hash of every frame of every video."""
    return tuple(
        hashlib.sha256(get().tobytes()).hexdigest()
        for video in open_source(path)
        for get in video.walk()
    )


def encoded(encoder: str, **options: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with av.open(str(path), "w") as container:
            stream = container.add_stream(encoder, rate=25, options=options)
            stream.width, stream.height = WIDTH, HEIGHT
            stream.pix_fmt = "yuvj420p" if encoder == "mjpeg" else "yuv420p"
            stream.codec_context.gop_size = 6
            for pixels in frames():
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                for packet in stream.encode(frame):
                    container.mux(packet)
            for packet in stream.encode():
                container.mux(packet)

    return write


def animated(**options: Any) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        pictures = [Image.fromarray(pixels) for pixels in frames()]
        pictures[0].save(
            path, save_all=True, append_images=pictures[1:], duration=100, loop=0, **options
        )

    return write


def write_npy(path: Path) -> None:
    np.save(path, frames()[None])


def write_npz(path: Path) -> None:
    np.savez_compressed(path, frames=frames())


def write_tar(path: Path) -> None:
    clip = io.BytesIO()
    np.save(clip, frames())
    with tarfile.open(path, "w") as tar:
        for name, content in (("a.npy", clip.getvalue()), ("a.txt", b"a caption"), ("a.cls", b"3")):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def write_picture(path: Path) -> None:
    Image.fromarray(frames()[0]).save(path)


def read_picture(path: Path) -> tuple[str, ...]:
    return read_videos(path.parent) if path.suffix in (".png", ".jpg") else read_videos(path)


def manifest(mark: str) -> tuple[Callable[[Path], None], Callable[[Path], object]]:
    """A table of three clips, which lie beside every copy; JSON lines where `mark` is empty."""
    rows = [{"file": f"{name}.npy", "caption": f"a {name}", "label": "3"} for name in "abc"]

    def write(path: Path) -> None:
        lines = [json.dumps(row) for row in rows]
        if mark:
            lines = [mark.join(rows[0]), *(mark.join(row.values()) for row in rows)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def read(path: Path) -> object:
        for row in rows:
            np.save(path.parent / row["file"], frames()[:2])
        return [(v.id, v.caption, v.label, v.count_frames()) for v in open_source(path)]

    return write, read


def write_record(path: Path) -> None:
    import pyoco_eval

    samples = np.random.default_rng(1).integers(0, 255, (4, 16, 32, 32, 3), dtype=np.uint8)
    record = pyoco_eval.evaluate(
        samples, samples[:, ::-1], metrics=["fvd"], profile="embedded", allow_small=True
    )
    (record.record if hasattr(record, "record") else record).save(path)


def read_record(path: Path) -> object:
    from pyoco_eval.records.record import Record

    return Record.load(path).to_json()


def write_protocol(path: Path) -> None:
    from pyoco_eval.resources import resource_folder

    text = (resource_folder("protocols") / "ucf101-uncond.yaml").read_text(encoding="utf-8")
    path.write_text(text.replace("name: ucf101-uncond", f"name: {path.stem}"), encoding="utf-8")


def read_protocol(path: Path) -> object:
    from pyoco_eval.protocol.loader import load_protocol

    return load_protocol(path).sha256


def write_config(path: Path) -> None:
    from pyoco_eval.resources import resource_folder

    path.write_bytes((resource_folder("configs") / "shapes-video.yaml").read_bytes())


def read_config(path: Path) -> object:
    from pyoco_eval.training.config_file import load_config

    return load_config(path)


def write_features(path: Path) -> None:
    import pyoco_eval

    samples = np.random.default_rng(1).integers(0, 255, (4, 16, 32, 32, 3), dtype=np.uint8)
    pyoco_eval.extract_features(samples, "tiny3d").save(path)


def read_features(path: Path) -> object:
    from pyoco_eval.statistics.files import FeatureSet

    return FeatureSet.load(path).features.tobytes()


def write_model(path: Path) -> None:
    """The description of a model; its weights lie beside every copy."""
    from pyoco_eval.models.checkpoint import ModelInfo, save_model
    from pyoco_eval.models.presets import PRESETS
    from pyoco_eval.models.unet import VideoUNet

    config = PRESETS["test"]
    kind = "video" if config.temporal else "image"
    info = ModelInfo(config, kind, 4, 8.0, (16, 16))
    torch.manual_seed(0)
    save_model(path.parent / "model", VideoUNet(config), info)
    path.write_bytes((path.parent / "model" / "model.json").read_bytes())


def read_model(path: Path) -> object:
    from pyoco_eval.models.checkpoint import read_info

    folder = path.parent / "model"
    folder.mkdir(exist_ok=True)
    for file in folder.parent.glob("*.json"):
        (folder / "model.json").write_bytes(file.read_bytes())
    (folder / "model.safetensors").touch()
    return read_info(folder)


def write_weights(path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(4)}, str(path))


def write_pickle(path: Path) -> None:
    torch.save({"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(4)}, path)


def read_weights(path: Path) -> object:
    from pyoco_eval.features.loading.state_dict import read_state_dict

    return {name: tensor.tolist() for name, tensor in read_state_dict(path).items()}


def write_prior(path: Path) -> None:
    matrix = 0.5 + 0.5 * np.eye(4)
    np.savez(path, frame_covariance=matrix)


def read_prior(path: Path) -> object:
    from pyoco_eval.priors import parse_prior

    return parse_prior(f"empirical:{path}").frame_covariance(4).tolist()


def write_mu_sigma(path: Path) -> None:
    np.savez(path, mu=np.zeros(4), sigma=np.eye(4))


def read_mu_sigma(path: Path) -> object:
    from pyoco_eval.references.mu_sigma import load_mu_sigma

    return [array.tolist() for array in load_mu_sigma(path)]


def write_index(path: Path) -> None:
    rows = [{"name": f"{n}.tar", "bytes": 10, "samples": 3} for n in range(3)]
    content = {"format": "pyoco-eval-shards-1", "labels": ["a"], "shards": rows}
    path.write_text(json.dumps(content))


def read_shard_index(path: Path) -> object:
    from pyoco_eval.training.data.shard_index import read_index

    index = read_index(path)
    return index.shards, index.labels


QUIET = {"x264-params": "log-level=none"}

KINDS = (
    Kind("mp4", ".mp4", encoded("libx264", **QUIET), read_videos, frames=True),
    Kind(
        "mp4-hevc", ".mp4", encoded("libx265", **{"x265-params": "log-level=none"}), read_videos,
        frames=True,
    ),
    Kind("avi-mpeg4", ".avi", encoded("mpeg4"), read_videos, frames=True),
    Kind("avi-mjpeg", ".avi", encoded("mjpeg"), read_videos, frames=True),
    Kind("ts-h264", ".ts", encoded("libx264", **QUIET), read_videos, frames=True),
    Kind("mkv-h264", ".mkv", encoded("libx264", **QUIET), read_videos, frames=True),
    Kind("mpg-mpeg2", ".mpg", encoded("mpeg2video"), read_videos, frames=True),
    Kind("webm-vp8", ".webm", encoded("libvpx"), read_videos, frames=True),
    Kind("webm-vp9", ".webm", encoded("libvpx-vp9"), read_videos, frames=True),
    Kind("gif", ".gif", animated(), read_videos, frames=True),
    Kind("webp", ".webp", animated(lossless=True), read_videos, frames=True),
    Kind("png", ".png", write_picture, read_picture),
    Kind("jpg", ".jpg", write_picture, read_picture),
    Kind("npy", ".npy", write_npy, read_videos, frames=True),
    Kind("npz", ".npz", write_npz, read_videos, frames=True),
    Kind("tar", ".tar", write_tar, read_videos, frames=True),
    Kind("jsonl", ".jsonl", *manifest(""), text=True),
    Kind("csv", ".csv", *manifest(","), text=True),
    Kind("record", ".json", write_record, read_record, text=True),
    Kind("protocol", ".yaml", write_protocol, read_protocol, text=True),
    Kind("config", ".yaml", write_config, read_config, text=True),
    Kind("model", ".json", write_model, read_model, text=True),
    Kind("index", ".json", write_index, read_shard_index, text=True),
    Kind("features", ".npz", write_features, read_features),
    Kind("safetensors", ".safetensors", write_weights, read_weights),
    Kind("pickle", ".pth", write_pickle, read_weights),
    Kind("prior", ".npz", write_prior, read_prior),
    Kind("mu-sigma", ".npz", write_mu_sigma, read_mu_sigma),
)  # fmt: skip
