"""What every page has in common: its templates, its parts, and a policy that forbids all loading.

A page's one style sheet and its one script are allowed by their hashes, so that nothing a caption
could smuggle in would run.
"""

import base64
import hashlib
import re
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def page_environment() -> Environment:
    """The templates; whatever they are given is escaped, and a name they lack is an error."""
    environment = Environment(
        loader=PackageLoader("pyoco_eval.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = _breakable
    return environment


def page_part(*names: str) -> Markup:
    """Style sheets or scripts of ours, one after another; none may end its own element."""
    folder = resources.files("pyoco_eval.report").joinpath("templates")
    text = "\n".join(folder.joinpath(name).read_text("utf-8") for name in names)
    assert "</" not in text
    return Markup(text)  # noqa: S704


def page_policy(style: str, script: str) -> str:
    """The content security policy of a page that has this style sheet and this script alone."""
    style_hash, script_hash = (
        base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()
        for part in (style, script)
    )
    return (
        f"default-src 'none'; style-src 'sha256-{style_hash}'; script-src 'sha256-{script_hash}'; "
        "img-src data:; media-src data:; base-uri 'none'; form-action 'none'"
    )


def _breakable(text: str) -> Markup:
    """A name that may break behind its separators, and nowhere inside of its words."""
    return Markup("<wbr>").join(re.split(r"(?<=[/_\\-])(?=[^/_\\-])", text))
