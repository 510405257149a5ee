"""Write docs/conventions.md from the conventions themselves.

python scripts/conventions_page.py
"""

import json
from pathlib import Path

from pyoco_eval.metrics.catalogue import METRICS
from pyoco_eval.metrics.conventions import CONVENTIONS, Convention

PAGE = Path(__file__).resolve().parents[1] / "docs" / "conventions.md"
MEASURED = PAGE.with_name("peers.json")

HEAD = """\
# Conventions

A convention is everything one published tool does between decoded frames and its number. `--convention NAME` follows it, `--also-as NAME,NAME` adds further ones from the same decoding, and the signature's `conv` key names it; any changed choice turns the name into `custom`.

Every convention of a published tool reads stored pixels by the rule `peer`: video as PyAV, decord, OpenCV and torchvision convert it by default, pictures as `Image.open(path).convert("RGB")`. pytorch-fid, clean-fid and torch-fidelity call Pillow like that; cd-fvd, TATS, VideoGPT and DIGAN read videos through torchvision (PyAV), TGANv2 through OpenCV. torchmetrics and the original TensorFlow FVD take arrays and read nothing, and the frames of their users come from such libraries. StyleGAN-V reads JPEG pictures that its script makes of videos with moviepy, which asks the ffmpeg program for RGB; what that program's version does then is not known. Chainer itself reads no videos. The embedded ones, which belong to no tool, read by the rule `exact`. [inputs.md](inputs.md) tells the two apart.

A convention does not choose which clips are read: say so with `--num-frames`, `--stride`, `--clip` and `--reference-clip`. Where a tool has a rule of its own, the table states it.

Written by `scripts/conventions_page.py` from `pyoco_eval/metrics/conventions.py`. Sources: google-research/google-research (frechet_video_distance), universome/stylegan-v, wilson1yan/VideoGPT, sihyun-yu/digan, songweige/TATS, songweige/content-debiased-fvd, JunyaoHu/common_metrics_on_video_quality, pfnet-research/tgan2, SongweiGe/tgan2, mseitzer/pytorch-fid, GaParmar/clean-fid, bioinf-jku/TTUR, toshas/torch-fidelity, Lightning-AI/torchmetrics.
"""  # noqa: E501


def estimate(rule: Convention) -> str:
    """How features become a number."""
    if METRICS[rule.metric].classifies:
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


def measured() -> str:
    """The tools' scores beside ours, of the same mp4 files with shared random weights."""
    found = json.loads(MEASURED.read_text(encoding="utf-8"))
    generated, reference = found["clips"]
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    rows = []
    for line in found["rows"]:
        own = line.get("tool_error")
        error = "" if own is None else f"{own:.1e} / {line['our_error']:.1e}"
        cells = (
            f"`{line['convention']}`", line["tool"], f"{line['theirs']:.7g}", f"{line['ours']:.7g}",
            f"{line['difference']:.1e}", error,
        )  # fmt: skip
        rows.append("| " + " | ".join(cells) + " |")
    return (
        "## Measured against the tools\n\n"
        f"`benchmarks/peers_end_to_end.py FOLDER` cut {generated + reference} clips of real videos "
        f"into mp4 files, {generated} against {reference}, and put them through the tools as their "
        "users do and through this package, with shared random weights in the published formats. "
        "The last column, where the difference is above 1e-5, says how far each side is from the "
        "tool's own formula in exact arithmetic on the moments the tool was given: what is the "
        f"tool's own float32. Versions: {versions}.\n\n"
        "| convention | tool | tool's score | ours | difference | error of tool / ours |\n"
        "|---|---|---|---|---|---|\n" + "\n".join(rows) + "\n"
    )


def page() -> str:
    parts = [HEAD, measured()]
    for metric, known in METRICS.own.items():
        rules = [rule for rule in CONVENTIONS.own.values() if rule.metric == metric]
        parts.append(f"## {known.title} (`{metric}`)\n")
        parts.append(
            "| name | what it is | network, layer | resize | scaling | estimate | its own clips "
            "(generated / reference) |\n|---|---|---|---|---|---|---|\n"
            + "\n".join(row(rule) for rule in rules)
            + "\n"
        )
        notes = [f"- `{rule.name}`: {text}" for rule in rules for text in rule.unknown]
        if notes:
            parts.append("Known deviations, and what is not known:\n\n" + "\n".join(notes) + "\n")
    return "\n".join(parts)


def main() -> None:
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
