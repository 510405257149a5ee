"""Finds the folder of a model by path or by its name on the Hugging Face hub.

Only the files of the patterns are fetched, none of them a pickle.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from pyoco_eval.errors import MissingError
from pyoco_eval.resources import OFFLINE_VARIABLE, is_offline
from pyoco_eval.weights.verify import digest_like


def model_folder(path_or_id: str, patterns: Sequence[str], argument: str) -> Path:
    """The folder on this machine.

    Args:
        path_or_id: a folder, or `owner/name` on the hub.
        patterns: files to fetch, as in `*.safetensors`.
        argument: for the message, what the user wrote.

    Raises:
        MissingError: neither is there, or it cannot be fetched.
    """
    folder = Path(path_or_id).expanduser()
    if folder.is_dir():
        return folder
    if path_or_id.startswith(("/", ".", "~")) or path_or_id.count("/") != 1:
        raise MissingError(
            f"{argument}: no folder {folder}, and not the name of a model on the Hugging Face hub "
            "(owner/name)"
        )
    from huggingface_hub import snapshot_download

    try:
        found = snapshot_download(
            path_or_id, allow_patterns=list(patterns), local_files_only=is_offline()
        )
    except Exception as error:  # of the hub, of HTTP, of the disk: each has its own family
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        how = f"{OFFLINE_VARIABLE} is set and" if is_offline() else "It cannot be fetched, and"
        raise MissingError(
            f"{argument}: there is no folder {path_or_id}. {how} the cache of the Hugging Face "
            f"hub does not have this model ({reason}). Fetch it on a machine with a connection: "
            f"hf download {path_or_id}"
        ) from error
    return Path(found)


def folder_digest(folder: Path, patterns: Sequence[str]) -> str:
    """`sha256:<hex>` over names and contents of the files that match, independent of the place."""
    names = {path.relative_to(folder) for pattern in patterns for path in folder.glob(pattern)}
    whole = hashlib.sha256()
    for name in sorted(names):
        whole.update(f"{digest_like(folder / name, 'sha256')} {name.as_posix()}\n".encode())
    return f"sha256:{whole.hexdigest()}"
