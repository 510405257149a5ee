"""A command that scores: two places in front of its options, and options in sections."""

from collections.abc import Mapping
from typing import Any, Final

import click

SECTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "What is scored": (
        "samples", "reference", "reference_clip", "reference_group_by", "captions", "metrics",
        "metric", "extractor",
    ),
    "Rules and intervals": (
        "convention", "named", "also_as", "profile", "splits", "extrapolate", "interval",
        "group_by", "allow_small", "protocol",
    ),
    "Results": ("as_json", "out", "plot", "table"),
    "Which frames": (
        "num_frames", "stride", "fps", "clip", "hop", "clip_seed", "short", "frames",
    ),
    "How they are read": (
        "pre_resize", "resize", "value_range", "quantise", "layout", "pictures", "pixels",
        "decoder", "on_error",
    ),
    "Machine and network": (
        "weights", "device", "batch_size", "workers", "precision", "trust", "keep_features",
    ),
}  # fmt: skip
"""Heading -> names of the options below it; others come last."""
SYNONYMS: Final = {
    **dict.fromkeys(
        ("--fake", "--generated", "--gen", "--videos", "--path", "--input"), "--samples"
    ),
    **dict.fromkeys(("--real", "--ref", "--gt", "--target", "--reals"), "--reference"),
    "--mode": "--convention",
    "--model": "--extractor",
}
"""What other tools call an option."""


class ScoreCommand(click.Command):
    """Takes `SAMPLES [REFERENCE]` in place of `--samples` and `--reference`."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        places = "[SAMPLES [REFERENCE]]" if "reference" in self._names() else "[SAMPLES]"
        self.params.insert(0, click.Argument(["places"], nargs=-1, metavar=places))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, with the names of other tools explained."""
        try:
            rest = super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            known = {name for option in self.params for name in option.opts}
            meant = SYNONYMS.get(error.option_name)
            if meant not in known:
                raise
            message = f"No such option {error.option_name!r}. Did you mean {meant!r}?"
            raise click.UsageError(message, error.ctx) from error
        self._place(ctx)
        return rest

    def _place(self, ctx: click.Context) -> None:
        """Moves the places to where the options would be."""
        places = ctx.params.pop("places")
        names = [name for name in ("samples", "reference") if name in self._names()]
        if len(places) > len(names):
            raise click.UsageError(
                f"{len(places)} places are given; this command takes {' and '.join(names)}", ctx
            )
        for name, place in zip(names, places, strict=False):
            if ctx.params.get(name) is not None:
                raise click.UsageError(f"{place}: --{name} is given, too; give one of them", ctx)
            ctx.params[name] = place
        if ctx.params.get("samples") is None and not ctx.resilient_parsing:
            raise click.UsageError("name the videos to score: SAMPLES, or --samples PATH", ctx)

    def _names(self) -> set[str]:
        return {option.name or "" for option in self.params}

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Under the headings of `SECTIONS`."""
        rows = {
            option.name or "": record
            for option in self.get_params(ctx)
            if (record := option.get_help_record(ctx)) is not None
        }
        for heading, names in SECTIONS.items():
            if found := [rows.pop(name) for name in names if name in rows]:
                with formatter.section(heading):
                    formatter.write_dl(found)
        if rows:
            with formatter.section("Other options"):
                formatter.write_dl(list(rows.values()))
