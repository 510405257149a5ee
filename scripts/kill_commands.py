"""The commands of the kill study, on inputs small enough for hundreds of starts."""

import os
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

CAPTION: Final = "a small red circle slides left slowly over plain navy"

GENERATOR: Final = '''
"""Videos by their seeds, at once."""
import numpy as np
def noise(prompts, seeds):
    shape = (8, 32, 32, 3)
    return [np.random.default_rng(s).integers(0, 256, shape).astype(np.uint8) for s in seeds]
'''

TRAINING: Final = """
seed: 3
steps: 12
batch: 2
out: run
model: {preset: test}
data: {source: shapes, size: 16, num_frames: 1}
condition: {encoders: [shapes]}
optimizer: {lr: 2.0e-3, warmup_steps: 5}
ema: {halflife_samples: 40}
hardware: {device: cpu, workers: 0, threads: 1}
log: {every: 1, checkpoint_every: 3, keep_every: 6, samples_every: 6, num_samples: 2,
      sampler: "deis:order=1,num_steps=2"}
"""


TRAINING_CASCADE: Final = """
format: pyoco-eval cascade training 1
out: cascade
shared:
  batch: 2
  model: {preset: test}
  data: {source: shapes, size: 16, num_frames: 4}
  condition: {encoders: [shapes]}
  hardware: {device: cpu, workers: 0, threads: 1}
  log: {every: 1, checkpoint_every: 2, samples_every: 0}
stages:
  base: {train: {steps: 3}, experts: {steps: 2}}
  large: {train: {steps: 2, model: {preset: test-superres}, superres: {crop: 8}}}
cascades: {cascade: [], config-b: [base]}
"""
CASCADE: Final = """
format: pyoco-eval cascade 1
stages:
  base: {model: video}
  between: {model: between, every: 3}
  large: {model: large, augmentation: 0.1, frames_at_once: 4}
"""


@dataclass(frozen=True)
class Command:
    """A command that writes.

    Attributes:
        name: in the table.
        words: of the command line; `{inputs}` is the folder of inputs. What it writes lies in the
            folder it is started in, the cache among it.
        beside: inputs that must lie there too.
    """

    name: str
    words: tuple[str, ...]
    beside: tuple[str, ...] = ()


def _command(name: str, line: str, *beside: str) -> Command:
    return Command(name, tuple(line.split()), beside)


_SCORE: Final = "--profile embedded --device cpu --workers 1 --num-frames 8"

COMMANDS: Final = (
    _command("shapes", "shapes --num 6 --size 16 --num-frames 4 --out clips"),
    _command("shapes png", "shapes --num 6 --size 16 --num-frames 4 --format png --out clips"),
    _command(
        "evaluate",
        f"evaluate {_SCORE} --metrics fvd,fid --allow-small --samples {{inputs}}/clips "
        "--reference {inputs}/real --keep-features kept --out scores.json",
    ),
    _command(
        "features",
        "features --extractor tiny2d --device cpu --workers 1 --num-frames 8 "
        "--samples {inputs}/clips --keep-features kept --out rows.npz",
    ),
    _command(
        "filter",
        "filter --profile embedded --device cpu --workers 1 --frames 2 --min-clip -1 "
        "--min-aesthetic -50 --samples {inputs}/clips --captions {inputs}/clips/manifest.jsonl "
        "--out kept.jsonl",
    ),
    _command(
        "reference build",
        f"reference build mine {_SCORE} --metrics fvd,fid,kvd --samples {{inputs}}/real",
    ),
    _command(
        "sample",
        "sample --ckpt {inputs}/video --num 6 --seed 1 --device cpu --out samples "
        "--prompts {inputs}/prompts.txt",
    ),
    _command(
        "sample a cascade",
        "sample --ckpt {inputs}/cascade.yaml --num 3 --seed 1 --device cpu --out samples "
        "--prompts {inputs}/prompts.txt",
    ),
    _command(
        "upsample",
        "upsample --ckpt {inputs}/large --samples {inputs}/clips --device cpu --out large",
    ),
    _command("experts", "experts {inputs}/video {inputs}/low --out experts"),
    _command("train", "train {inputs}/train.yaml"),
    _command("train-cascade", "train-cascade {inputs}/train-cascade.yaml"),
    _command(
        "run-protocol",
        "run-protocol shapes-uncond --generator python:toy_generator:noise --scale 0.1 "
        "--device cpu --workers 1 --gallery 1 --out run",
    ),
    _command(
        "invert-noise",
        "invert-noise --model {inputs}/image --videos {inputs}/clips --num-frames 4 --device cpu "
        "--num-steps 4 --resamples 50 --check-videos 2 --workers 1 --out probe",
    ),
    _command(
        "embed-text",
        "embed-text --encoder shapes --prompts {inputs}/prompts.txt --device cpu --out texts",
    ),
    _command("index", "index --shards shards --out shards.json", "shards"),
    _command("weights fetch", "weights fetch c3d-mean c3d"),
    _command(
        "report",
        "report {inputs}/scores.json --samples {inputs}/clips --num-clips 2 --out x.html "
        "--out x.md --out x.tex",
    ),
    _command("grid", "grid {inputs}/clips --num 2 --out grid"),
    _command("prior", "prior check mixed:alpha=1 --samples 4 --size 8 --out check"),
)


def make_inputs(folder: Path) -> None:
    """Everything the commands read; takes a few seconds, and threads of torch."""
    import numpy as np
    import torch
    from click.testing import CliRunner

    from pyoco_eval.cli.main import cli
    from pyoco_eval.diffusion.experts import ExpertNode, TrainedExpert
    from pyoco_eval.models.building import build
    from pyoco_eval.models.checkpoint import ModelInfo, save_model
    from pyoco_eval.models.config import UNetConfig
    from pyoco_eval.models.presets import PRESETS

    folder.mkdir(parents=True)
    os.chdir(folder)

    def call(line: str) -> None:
        CliRunner().invoke(cli, line.split(), catch_exceptions=False, standalone_mode=False)

    clips = "shapes --size 16 --num-frames 8 --num"
    call(f"{clips} 6 --out clips")
    call(f"{clips} 8 --split train --out real")
    call(f"evaluate {_SCORE} --metrics fvd --allow-small --samples clips --reference real "
         "--out scores.json")  # fmt: skip
    for number in range(3):
        _write_shard(folder / "shards" / f"{number}.tar")
    texts = [CAPTION, CAPTION.replace("red", "blue"), CAPTION.replace("left", "right")]
    (folder / "prompts.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    (folder / "train.yaml").write_text(TRAINING, encoding="utf-8")
    (folder / "train-cascade.yaml").write_text(TRAINING_CASCADE, encoding="utf-8")
    (folder / "cascade.yaml").write_text(CASCADE, encoding="utf-8")
    (folder / "toy_generator.py").write_text(GENERATOR, encoding="utf-8")
    torch.manual_seed(0)
    video = PRESETS["test"]
    assert isinstance(video, UNetConfig)
    image = replace(video.image(), text=(), text_width=0, cross_attention=())
    low = TrainedExpert(ExpertNode(1, 0), -1.2, 1.2)
    for name, unet, num_frames, expert in (
        ("image", image, 1, None),
        ("video", video, 4, None),
        ("low", video, 4, low),
        ("between", replace(video, known_frames=True), 10, None),
        ("large", PRESETS["test-superres"], 10, None),
    ):
        network = build(unet)
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, 0, 0.05)
        info = ModelInfo(
            unet, "image" if num_frames == 1 else "video", num_frames=num_frames, fps=8.0,
            size=(16, 16), text_encoders=("shapes",) if unet.text else (),
            sampler="deis:order=1,num_steps=3", expert=expert,
        )  # fmt: skip
        save_model(folder / name, network, info)
    (folder / "served").mkdir()
    np.savez(folder / "served" / "mean2.npz", mean=np.zeros((3, 300, 300), np.float32))
    np.savez(folder / "served" / "conv3d_deepnetA_ucf.npz", x=np.ones((900, 900), np.float32))


def _write_shard(path: Path) -> None:
    import io
    import tarfile

    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for number in range(40):
            for suffix, content in (("mp4", b"0" * 700), ("txt", b"a caption")):
                member = tarfile.TarInfo(f"{number:03}.{suffix}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))


class _Handler(SimpleHTTPRequestHandler):
    """Gives a part where a part is asked for, a block at a time so that kills fall between."""

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes()
        asked = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0]
        start = min(int(asked), len(content))
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("ETag", f'"{len(content)}"')
        self.send_header("Accept-Ranges", "bytes")
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        with suppress(ConnectionError):  # who asked is killed
            for place in range(start, len(content), 1 << 16):
                self.wfile.write(content[place : place + (1 << 16)])
                time.sleep(0.002)

    def log_message(self, *_: object) -> None:
        pass


def server_of(folder: Path) -> ThreadingHTTPServer:
    """A server of the files of `folder` to this machine; it waits for `serve_forever`."""
    return ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
