"""What a search finds: entries, and all that is to be said about them."""

from dataclasses import dataclass, field

from pyoco_eval.videos.listing.kinds import Kind
from pyoco_eval.videos.listing.left_out import LeftOut
from pyoco_eval.videos.listing.pictures import AS_VIDEOS, Decision
from pyoco_eval.videos.readers.stored_file import StoredFile


@dataclass(frozen=True)
class FolderEntry:
    """A file, or a folder with its frames.

    Attributes:
        id: POSIX path relative to the folder searched; its own name if it was given itself.
        file: the file, or the folder.
        kind: what the file is; `picture` is an image that stands for itself.
        frames: the image files in the order of their numbers; empty for a file.
        problem: why a folder of frames cannot be used, None if it can.
        item: the one video of an array file or shard that is meant, such as `#7`; empty for all.
        caption: as a manifest states it; so are `label` and `group`.
    """

    id: str
    file: StoredFile
    kind: Kind = "video"
    frames: tuple[StoredFile, ...] = ()
    problem: str | None = None
    item: str = ""
    caption: str | None = None
    label: str | None = None
    group: str | None = None


@dataclass(frozen=True)
class Listing:
    """All of a place.

    Attributes:
        name: of the place, as a user would recognise it.
        entries: sorted by id.
        left: files that are no samples.
        decision: what pictures are taken for.
    """

    name: str
    entries: list[FolderEntry]
    left: LeftOut = field(default_factory=LeftOut)
    decision: Decision = AS_VIDEOS
