"""Build the statistics shipped in `reference_stats/shapes/`: 2,048 held-out moving shapes.

    python scripts/build_references.py

writes one file per embedded network, under the recipe that the embedded profile uses by default.
"""

import tempfile
from pathlib import Path

from pyoco_eval.extraction.measure import FeatureRequest, measure
from pyoco_eval.extraction.networks import Network
from pyoco_eval.extraction.options import Options
from pyoco_eval.metrics.catalogue import METRICS
from pyoco_eval.metrics.conventions import convention
from pyoco_eval.progress import Silent
from pyoco_eval.shapes.dataset import MovingShapes
from pyoco_eval.videos.source import open_source
from pyoco_eval.videos.write import write_video

NUM_CLIPS = 2048
OUT = Path(__file__).resolve().parents[1] / "reference_stats" / "shapes"


def main() -> None:
    options = Options()
    rules = [convention(row.conventions["embedded"]) for row in METRICS.own.values()]
    networks = [Network.of(rule, options) for rule in rules if METRICS[rule.metric].needs_reference]
    with tempfile.TemporaryDirectory() as folder:
        clips = Path(folder) / "shapes-test"
        shapes = MovingShapes("test")
        clips.mkdir()
        for index in range(NUM_CLIPS):
            clip = shapes[index]
            write_video(clips / f"{index:05d}.mp4", clip.frames, fps=shapes.fps)
        requests = [
            FeatureRequest(network, network.load(options), keep_rows=False) for network in networks
        ]
        sides = measure(open_source(clips), requests, options, Silent(), "shapes")
    for network, side in zip(networks, sides, strict=True):
        path = OUT / f"{network.extractor}.npz"
        side.save_statistics(path)
        print(f"{path.relative_to(OUT.parents[1])}: {side.count} rows, {side.signature()}")


if __name__ == "__main__":
    main()
