"""Foreign text in Markdown and LaTeX: it stays text.

Captions, names and notes come from files. HTML is escaped by its template engine.
"""

import re
import unicodedata

_MARKDOWN = re.compile(r"([\\`*_\[\]#!|~$])")
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "±": r"$\pm$",
    "∞": r"$\infty$",
    "α": r"$\alpha$",
    "×": r"$\times$",
    "→": r"$\to$",
    "≤": r"$\le$",
    "≥": r"$\ge$",
}


def visible(text: str) -> str:
    """One line without characters that act instead of showing.

    Line breaks become spaces; controls, and marks that turn the direction of writing, become
    `U+202E`.
    """
    shown = []
    for character in " ".join(text.split()):
        acts = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn")
        shown.append(f"U+{ord(character):04X}" if acts else character)
    return "".join(shown)


def markdown(text: str) -> str:
    """For a line or a table cell of Markdown."""
    escaped = _MARKDOWN.sub(r"\\\1", visible(text))
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def latex(text: str) -> str:
    """For LaTeX text."""
    return "".join(_LATEX.get(character, character) for character in visible(text))


def latex_comment(text: str) -> str:
    """A line that LaTeX passes over."""
    return f"% {visible(text)}"
