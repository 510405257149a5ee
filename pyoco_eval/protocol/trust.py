"""Whether a protocol is the published one, and everything in which a run departs from it.

The content decides, never a name, a place or a title: a protocol is a shipped one if its resolved
content has the hash that the change log has for its name and version. Everything else is a
deviation, with a word of its own in every signature and a sentence in the results.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from pyoco_eval.datasets.class_lists import class_names
from pyoco_eval.protocol.change_log import read_change_log
from pyoco_eval.protocol.conditioning import ClassPrompts
from pyoco_eval.protocol.difference import differences
from pyoco_eval.protocol.loader import LoadedProtocol, load_protocol, shipped_protocols
from pyoco_eval.protocol.prompts import CLASS_NAMES, PromptList, own_list

OWN_LISTS: Final[Mapping[tuple[str, str], str]] = {
    ("ucf101", "ucf101"): "9b1de157ca56b6a812eb0731bf92293586fffc5afbfc68e3b2a1c425afd419ba",
    ("ucf101", CLASS_NAMES): "0bcb96a532da9ef1ce2132e0896caf954c43a6628e4be412392e2453710462da",
    ("shapes", "shapes"): "2d6ffe2e515fad8c2e2b94c8fddf4f06e83d500aba66f5a9baac274cf8e507a8",
    ("shapes", CLASS_NAMES): "7267e5c1dc050551ad4e03e8c658388101c00b2a0d20f244877bd426061c0a18",
}
"""(dataset, list) -> hash of its prompts in the order of the classes.

A protocol names its list alone, so that the list may not change under it.
"""

_SHOWN = 6
_DIGITS = 12


@dataclass(frozen=True)
class Deviation:
    """Something in which a run is not its protocol, or its protocol not a shipped one.

    Attributes:
        word: for signatures, e.g. `prompts=1f3c2a77`.
        sentence: for readers.
    """

    word: str
    sentence: str


def is_published(loaded: LoadedProtocol) -> bool:
    """Whether the content is that of a shipped protocol, as the change log has it."""
    protocol = loaded.protocol
    key = (protocol.name, protocol.version, loaded.sha256)
    return key in {(entry.name, entry.version, entry.sha256) for entry in read_change_log()}


def protocol_label(loaded: LoadedProtocol, reduced: str | None, words: Iterable[str]) -> str:
    """How signatures name the protocol of a score.

    `ucf101-uncond@1`; with the hash of its content where it is not a shipped one, with how its
    counts were reduced, and with every deviation.
    """
    label = loaded.label
    if not is_published(loaded):
        label += f"-sha256({loaded.sha256[:_DIGITS]})"
    if reduced:
        label += f"-reduced({reduced})"
    found = list(dict.fromkeys(words))
    return label + (f"-deviates({','.join(found)})" if found else "")


def deviation_of_content(loaded: LoadedProtocol) -> Deviation | None:
    """What a protocol that is not a shipped one changes of the shipped one it extends."""
    if is_published(loaded):
        return None
    text = f"The protocol {loaded.label} is not a shipped one (sha256 {loaded.sha256[:_DIGITS]})"
    base = altered(loaded)
    if base is not None:
        keys = [
            found.key
            for found in differences(base.protocol, loaded.protocol)
            if found.changes_scores
        ]
        more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
        what = ", ".join(keys[:_SHOWN]) + more if keys else "words alone"
        text += f"; it alters {base.label} in {what}"
    return Deviation("protocol", f"{text}.")


def altered(loaded: LoadedProtocol) -> LoadedProtocol | None:
    """The shipped protocol that one of a user's own alters; None if it extends none.

    An edited file of the package alters what the package had there, which is no longer at hand.
    """
    shipped = {path.resolve() for path in shipped_protocols()}
    if is_published(loaded) or loaded.path.resolve() in shipped:
        return None
    for base in loaded.bases:
        if base.resolve() in shipped:
            return load_protocol(base)
    return None


def title_of(loaded: LoadedProtocol) -> str:
    """The title; of what is not a shipped protocol, with the word that says so."""
    title = loaded.protocol.title
    if is_published(loaded):
        return title
    base = altered(loaded)
    return f"{title} (altered from {base.label})" if base else f"{title} (not a shipped protocol)"


def cites_of(loaded: LoadedProtocol) -> str:
    """What the protocol reproduces; one that is altered reproduces nothing."""
    cites = loaded.protocol.provenance.cites()
    return cites if is_published(loaded) else f"not the protocol of {cites}"


def deviation_of_prompts(loaded: LoadedProtocol, given: PromptList | None) -> Deviation | None:
    """Prompts that are not those the protocol names: a user's file, or an edited list."""
    protocol = loaded.protocol
    rule = protocol.samples.conditioning
    if not isinstance(rule, ClassPrompts):
        return None
    names = class_names(protocol.dataset.name)
    used = given or own_list(rule.prompts, names)
    lines = [f"{name}\t{prompt}" for name in names for prompt in used.prompts[name]]
    digest = _hash(lines)
    if digest == OWN_LISTS.get((protocol.dataset.name, rule.prompts)):
        return None
    digits = digest[:8]
    where = used.name if given is not None else f"the list {rule.prompts}, which was edited"
    return Deviation(f"prompts={digits}", f"Prompts were read from {where} ({digits}).")


def deviation_of_settings(settings: Iterable[str]) -> Deviation | None:
    """Training settings of the user."""
    given = list(settings)
    if not given:
        return None
    digits = _hash(given)[:8]
    return Deviation(f"set={digits}", f"Training settings were changed: {', '.join(given)}.")


def _hash(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
