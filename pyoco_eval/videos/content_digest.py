"""The hash of a stored video, as manifests of samples state it."""

import hashlib
from pathlib import Path


def content_digest(path: Path) -> str:
    """sha256 of a file, or of the names and contents of the files of a folder."""
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    whole = hashlib.sha256()
    for file in sorted(path.iterdir()):
        whole.update(f"{hashlib.sha256(file.read_bytes()).hexdigest()} {file.name}\n".encode())
    return whole.hexdigest()
