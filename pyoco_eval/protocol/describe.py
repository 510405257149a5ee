"""A protocol as a person reads it on a terminal."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pyoco_eval.protocol.conditioning import Captions, ClassPrompts, ConditioningRule
from pyoco_eval.protocol.loader import LoadedProtocol
from pyoco_eval.protocol.schema import NONE, Protocol, PublishedNumber, ScoreRule
from pyoco_eval.protocol.trust import cites_of, deviation_of_content, protocol_label, title_of


def print_protocol(loaded: LoadedProtocol, console: Console) -> None:
    """Samples, scores, arms, published rows, and what the paper leaves open."""
    protocol = loaded.protocol
    console.print(Text(f"{protocol_label(loaded, None, ())}  {title_of(loaded)}", style="bold"))
    console.print(Text(protocol.about))
    console.print(Text(f"{cites_of(loaded)}\nsha256 {loaded.sha256}", style="dim"))
    if (deviation := deviation_of_content(loaded)) is not None:
        console.print(Text(f"! {deviation.sentence}", style="yellow"))
    samples = protocol.samples
    console.print()
    console.print(Text("samples", style="bold"))
    console.print(
        f"  {samples.count:,} videos, {samples.num_frames} frames of "
        f"{samples.width} x {samples.height}, {samples.codec}; {told(samples.conditioning)}"
    )
    repeats = protocol.repeats
    if repeats.count > 1:
        console.print(f"  {repeats.count} repeats of the {repeats.of}; ± is over them (ddof 0)")
    console.print()
    console.print(Text("scores", style="bold"))
    for score in protocol.scores.values():
        console.print(Text(f"  {score.title}: {sentence(protocol, score)}"))
    if len(protocol.arms) > 1:
        console.print()
        console.print(Text("arms", style="bold"))
        for key, arm in protocol.arms.items():
            after = f", from {arm.init_from}" if arm.init_from else ""
            after += " (optional)" * arm.optional
            console.print(Text(f"  {key}: {arm.title}{after}"))
    _print_published(protocol, console)
    console.print()
    console.print(Text("left open by the paper, and chosen here", style="bold"))
    for choice in protocol.open.values():
        console.print(Text(f"  {choice.question} {choice.choice} ({choice.why})"))


def sentence(protocol: Protocol, score: ScoreRule) -> str:
    """What is scored against what, under which rule."""
    parts = [f"{score.convention}, {score.count:,} videos, clip {score.clip}"]
    if score.frames is not None:
        parts.append(f"frames {score.frames}")
    if score.pre_resize != NONE:
        parts.append(f"first resized {score.pre_resize}")
    if score.reference is not None:
        real = score.reference
        seed = f", seed {real.seed}" if real.select.startswith("random") else ""
        parts.append(
            f"against {protocol.dataset.name} {real.split} ({real.select}{seed}), clip {real.clip}"
        )
    return "; ".join(parts)


def told(rule: ConditioningRule) -> str:
    """What the model is told, in words."""
    if isinstance(rule, ClassPrompts):
        each = f", {rule.per_class} of each class" if rule.per_class else ""
        if rule.per_prompt:
            each = f", {rule.per_prompt} of each prompt"
        return f"prompts {rule.prompts}, classes {rule.classes}{each}"
    if isinstance(rule, Captions):
        ascii_only = " in ASCII" if rule.alphabet == "ascii" else ""
        return f"{rule.per_video} captions{ascii_only} of {rule.videos} test videos"
    return "unconditional"


def _print_published(protocol: Protocol, console: Console) -> None:
    if not protocol.published:
        return
    console.print()
    console.print(Text("published", style="bold"))
    table = Table(box=None, pad_edge=True)
    table.add_column("method")
    for score in protocol.scores.values():
        table.add_column(score.title, justify="right", no_wrap=True)
    for line in protocol.published:
        cells = [_number(line.values.get(key)) for key in protocol.scores]
        table.add_row(Text(line.method), *cells)
    console.print(table)
    for source in dict.fromkeys(line.source for line in protocol.published):
        console.print(Text(f"  {source}", style="dim"))


def _number(found: PublishedNumber | None) -> str:
    if found is None:
        return "-"
    return f"{found.value:g}" + (f" ± {found.std:g}" if found.std is not None else "")
