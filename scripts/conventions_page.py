"""Write docs/conventions.md from the conventions themselves.

python scripts/conventions_page.py
"""

from pathlib import Path

from pyoco_eval.metrics.conventions import CONVENTIONS, METRICS, Convention

PAGE = Path(__file__).resolve().parents[1] / "docs" / "conventions.md"

HEAD = """\
# Conventions

A convention is everything one published tool does between decoded frames and its number. `--convention NAME` follows it, `--also-as NAME,NAME` adds further ones from the same decoding, and the signature's `conv` key names it; any changed choice turns the name into `custom`.

Every convention of a published tool reads stored pixels by the rule `peer`: video as PyAV, decord, OpenCV and torchvision convert it by default, pictures as `Image.open(path).convert("RGB")`. pytorch-fid, clean-fid and torch-fidelity call Pillow like that; cd-fvd, TATS, VideoGPT and DIGAN read videos through torchvision (PyAV), TGANv2 through OpenCV. torchmetrics and the original TensorFlow FVD take arrays and read nothing, and the frames of their users come from such libraries. StyleGAN-V reads JPEG pictures that its script makes of videos with moviepy, which asks the ffmpeg program for RGB; what that program's version does then is not known. Chainer itself reads no videos. The embedded ones, which belong to no tool, read by the rule `exact`. [inputs.md](inputs.md) tells the two apart.

`benchmarks/peers_end_to_end.py FOLDER` puts real mp4 files through the tools and through this package with shared random weights. Measured so far, on six clips only (cd-fvd 0.1.1, pytorch-fid 0.3.0): `cd-fvd` differs from its tool by 1.2e-6, `pytorch-fid` by 2.1e-6 of the value; `tgan2` from plain PyTorch by 2.1e-5, which is the float32 of the random network: its logits spread by 180, so that a clip near the border of two classes decides, and plain PyTorch itself is 1.6e-5 from its own run in float64 (this package 3.7e-5; their logits differ from float64 by 1.0e-6 and 1.6e-6 of their length). The script has since scaled that network's last layer so that logits spread by a few units. The tools clean-fid, torch-fidelity and torchmetrics run in it on six clips; their rows beside ours, and the rows of more clips, have not been measured yet.

A convention does not choose which clips are read: say so with `--num-frames`, `--stride`, `--clip` and `--reference-clip`. Where a tool has a rule of its own, the table states it.

Written by `scripts/conventions_page.py` from `pyoco_eval/metrics/conventions.py`. Sources: google-research/google-research (frechet_video_distance), universome/stylegan-v, wilson1yan/VideoGPT, sihyun-yu/digan, songweige/TATS, songweige/content-debiased-fvd, JunyaoHu/common_metrics_on_video_quality, pfnet-research/tgan2, SongweiGe/tgan2, mseitzer/pytorch-fid, GaParmar/clean-fid, bioinf-jku/TTUR, toshas/torch-fidelity, Lightning-AI/torchmetrics.
"""  # noqa: E501

TITLES = {
    "fvd": "Fréchet Video Distance",
    "is": "Inception Score",
    "fid": "Fréchet Inception Distance of frames",
    "clip-fid": "Fréchet distance of CLIP embeddings of frames",
    "kvd": "Kernel Video Distance",
    "kid": "Kernel Inception Distance of frames",
    "clipsim": "Agreement with captions",
    "prdc": "Precision, recall, density, coverage",
}


def estimate(rule: Convention) -> str:
    """How features become a number."""
    if rule.metric == "is":
        return f"splits {rule.splits}, eps {rule.eps:g}"
    ridge = f", + {rule.ridge:g} on the diagonal" if rule.ridge else ""
    return rule.estimator or ("N-1" if rule.ddof else "N") + ridge


def row(rule: Convention) -> str:
    network = f"{rule.extractor} {rule.layer}"
    if rule.bn_eps is not None:
        network += f", BatchNorm eps {rule.bn_eps:g}"
    clips = " / ".join(f"`{clip}`" for clip in rule.clips or ()) or "-"
    resize = f"`{rule.resize}`" if rule.resize else "`64-bilinearantialias-squash`"
    scaling = f"`{rule.scaling or '2x/255-1'}`"
    cells = (f"`{rule.name}`", rule.about, network, resize, scaling, estimate(rule), clips)
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parts = [HEAD]
    for metric in METRICS:
        rules = [rule for rule in CONVENTIONS.values() if rule.metric == metric]
        parts.append(f"## {TITLES[metric]} (`{metric}`)\n")
        parts.append(
            "| name | what it is | network, layer | resize | scaling | estimate | its own clips "
            "(generated / reference) |\n|---|---|---|---|---|---|---|\n"
            + "\n".join(row(rule) for rule in rules)
            + "\n"
        )
        notes = [f"- `{rule.name}`: {text}" for rule in rules for text in rule.unknown]
        if notes:
            parts.append("Known deviations, and what is not known:\n\n" + "\n".join(notes) + "\n")
    PAGE.write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
