"""Make the pictures of a report that README shows: docs/images/report_{light,dark}.png.

Everything in them is real: moving shapes with a little noise, scored with the embedded networks
against the validation split, by the commands a user would give. Needs playwright and Chromium
(`PYOCO_EVAL_CHROMIUM` names another than the one on PATH).

    python scripts/picture_report.py [FOLDER FOR THE RUN]
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
WIDTH, HEIGHT = 1280, 1560
COMMANDS = """
shapes --num 256 --corrupt noise:1 --out noisy
shapes --num 256 --split val --out reference
evaluate --profile embedded --metrics fvd,is,fid --interval 100 --extrapolate
    --samples noisy --reference reference --out noisy.json
features --samples noisy --extractor tiny3d --out noisy.npz
features --samples reference --extractor tiny3d --out reference.npz
report noisy.json --samples noisy --features noisy.npz --reference reference
    --reference-features reference.npz --num-clips 6 --out report.html
"""


def main(folder: Path) -> None:
    for line in COMMANDS.replace("\n    ", " ").strip().splitlines():
        subprocess.run([sys.executable, "-m", "pyoco_eval", *line.split()], cwd=folder, check=True)  # noqa: S603
    chromium = os.environ.get("PYOCO_EVAL_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        for scheme in ("light", "dark"):
            page = browser.new_page(
                viewport={"width": WIDTH, "height": HEIGHT},
                color_scheme=scheme,  # type: ignore[arg-type]
            )
            page.goto((folder / "report.html").resolve().as_uri())
            page.wait_for_timeout(1000)
            shot = folder / f"{scheme}.png"
            page.screenshot(path=shot)
            picture = Image.open(shot, formats=["PNG"]).convert("RGB")
            small = picture.quantize(256, dither=Image.Dither.NONE)
            small.save(IMAGES / f"report_{scheme}.png", optimize=True)
        browser.close()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as name:
            main(Path(name))
