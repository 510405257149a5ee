"""Write the pages of the Python API from its docstrings, as HTML that loads nothing.

    python scripts/api_pages.py FOLDER

The first page is what `import pyoco_eval` offers; behind it are the modules those names live in,
and the contracts to write a prior, a sampler, a metric, a network or a generator against.
"""

import argparse
import sys
import warnings
from pathlib import Path

import pdoc
import pdoc.render

import pyoco_eval

MODULES = (
    "pyoco_eval",
    "pyoco_eval.api",
    "pyoco_eval.catalogue",
    "pyoco_eval.errors",
    "pyoco_eval.diffusion",
    "pyoco_eval.features.base",
    "pyoco_eval.features.catalogue",
    "pyoco_eval.generation.open",
    "pyoco_eval.generation.request",
    "pyoco_eval.generation.write",
    "pyoco_eval.metrics",
    "pyoco_eval.models.checkpoint",
    "pyoco_eval.models.config",
    "pyoco_eval.models.inflation",
    "pyoco_eval.models.presets",
    "pyoco_eval.models.unet",
    "pyoco_eval.priors",
    "pyoco_eval.probe.options",
    "pyoco_eval.probe.run",
    "pyoco_eval.records.record",
    "pyoco_eval.scoring.metric",
    "pyoco_eval.extraction.options",
    "pyoco_eval.training.config",
    "pyoco_eval.training.config_file",
    "pyoco_eval.training.run",
    "pyoco_eval.videos.clip_rule",
    "pyoco_eval.videos.resize",
    "pyoco_eval.videos.source",
    "pyoco_eval.videos.video",
)


def write_pages(folder: Path) -> list[Path]:
    """The pages, in `folder`; a warning of the generator is an error."""
    for name in pyoco_eval.__all__:
        getattr(pyoco_eval, name)  # pdoc sees what a module holds, and these come on first use
    pdoc.render.configure(
        docformat="google",
        footer_text=f"pyoco-eval {pyoco_eval.__version__}",
        show_source=False,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # A TypedDict forgets which others it was made of.
        warnings.filterwarnings(
            "ignore", "Cannot determine where pyoco_eval.extraction.options.Choi"
        )
        pdoc.pdoc(*MODULES, output_directory=folder)
    return sorted(folder.rglob("*.html"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the pages go")
    pages = write_pages(parser.parse_args().folder)
    print(f"{len(pages)} pages: {pages[0].parent / 'index.html'}")


if __name__ == "__main__":
    sys.exit(main())
