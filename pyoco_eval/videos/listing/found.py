"""What a search comes upon, folder by folder, until the whole place can be judged."""

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from pyoco_eval.errors import UsageError
from pyoco_eval.videos.listing.entry import FolderEntry, Listing
from pyoco_eval.videos.listing.frame_series import (
    COVERS,
    MASKS,
    frame_series,
    is_cover,
    is_map_folder,
)
from pyoco_eval.videos.listing.kinds import EITHER_SUFFIXES, kind_of
from pyoco_eval.videos.listing.left_out import LeftOut
from pyoco_eval.videos.listing.pictures import Decision, PictureFolder, PictureRule, decide
from pyoco_eval.videos.readers.choose import ARRAY_SUFFIXES, FRAME_SUFFIXES
from pyoco_eval.videos.readers.stored_file import StoredFile

COMPRESSED = "is compressed, so that its members cannot be read one by one; unpack it to .tar"
LOOKED_FOR = (
    "video files (.mp4 .mkv .webm .mov .avi .gif and all else that FFmpeg reads, whatever its "
    f"suffix), array files ({' '.join(sorted(ARRAY_SUFFIXES))}), tar shards (.tar) and folders of "
    f"pictures ({' '.join(sorted(FRAME_SUFFIXES))})"
)
_MOVING = ("video", "animation")

Files = Iterable[tuple[str, StoredFile]]


class Found:
    """Collects the files of a place; what its pictures are is decided at the end."""

    def __init__(self, rule: PictureRule) -> None:
        self.left = LeftOut()
        self._rule = rule
        self._entries: list[FolderEntry] = []
        self._compressed: list[FolderEntry] = []
        self._folders: list[_Folder] = []

    def add_files(self, prefix: str, own_id: str, folder: StoredFile, files: Files) -> None:
        """Take the visible files of one folder; `prefix` is its id with a slash."""
        pictures: list[StoredFile] = []
        has_videos = False
        still_gifs = self._rule.sees == "pictures" and self._rule.stated != "frames"
        for name, file in files:
            found = kind_of(name, file, still_gifs=still_gifs)
            if found.kind == "picture":
                pictures.append(file)
            elif found.kind == "other":
                self.left.add(name, found.what)
            else:
                entry = FolderEntry(prefix + name, file, found.kind)
                (self._compressed if found.kind == "compressed" else self._entries).append(entry)
                has_videos |= found.kind != "compressed"
        if has_videos and self._rule.stated != "images":
            pictures = self._without_thumbnails(prefix, pictures)
        if pictures:
            self._folders.append(_Folder(own_id, prefix, folder, pictures, has_videos))

    def _without_thumbnails(self, prefix: str, pictures: list[StoredFile]) -> list[StoredFile]:
        """The pictures that are not called as a video beside them, and are no cover of them all."""
        stems = {
            PurePosixPath(entry.id).with_suffix("")
            for entry in self._entries
            if entry.kind in _MOVING
        }
        kept = [p for p in pictures if PurePosixPath(prefix + p.name).with_suffix("") not in stems]
        names = {picture.name for picture in pictures} - {picture.name for picture in kept}
        self.left.add_all(names, "thumbnails of videos")
        covers = [picture for picture in kept if is_cover(picture.name)]
        self.left.add_all((picture.name for picture in covers), COVERS)
        return [picture for picture in kept if picture not in covers]

    def finish(self, where: str, name: str) -> Listing:
        """Everything found, under `name`.

        Compressed archives beside tar shards are shards that cannot be read; else they are left
        out.

        Raises:
            UsageError: there is no entry, or pictures that could be either.
        """
        moving = sum(entry.kind in _MOVING for entry in self._entries)
        folders = [PictureFolder(f.id, [p.name for p in f.pictures]) for f in self._folders]
        decision = decide(where, folders, moving, self._rule)
        entries = self._images(self._entries) if decision.images else self._videos(self._entries)
        if not decision.images and not any(entry.frames for entry in entries):
            decision = Decision(note=decision.note)
        if any(entry.kind == "shard" for entry in entries):
            entries += self._compressed
        else:
            self.left.add_all((e.file.name for e in self._compressed), "archives")
        if not entries:
            raise UsageError(self._nothing(where))
        return Listing(name, sorted(entries, key=lambda e: e.id), self.left, decision)

    def _images(self, entries: Sequence[FolderEntry]) -> list[FolderEntry]:
        """Every picture by itself; what moves is no image."""
        kept = [entry for entry in entries if entry.kind not in _MOVING]
        moving = (entry.file.name for entry in entries if entry.kind in _MOVING)
        self.left.add_all(moving, "videos and animations beside images")
        return kept + [
            FolderEntry(folder.prefix + picture.name, picture, "picture")
            for folder in self._folders
            for picture in folder.pictures
        ]

    def _videos(self, entries: Sequence[FolderEntry]) -> list[FolderEntry]:
        """Each folder of pictures as one video, unless video files lie there too."""
        kept = list(entries)
        others = len(kept) + sum(not is_map_folder(folder.name) for folder in self._folders)
        for folder in self._folders:
            if others and is_map_folder(folder.name):
                self.left.add_all((picture.name for picture in folder.pictures), MASKS)
                continue
            if folder.has_videos:
                names = [picture.name for picture in folder.pictures]
                self.left.add_all(names, "pictures beside videos")
                continue
            series = frame_series(folder.pictures)
            for picture, what in series.left:
                self.left.add(picture.name, what)
            kept.append(
                FolderEntry(
                    folder.id, folder.file, "picture", frames=series.frames, problem=series.problem
                )
            )
        return kept

    def _nothing(self, where: str) -> str:
        if self._compressed:
            return f"{where}: {self._compressed[0].id} {COMPRESSED}"
        others = self.left.sentence()
        beside = "" if others is None else f" ({others.removesuffix('.')})"
        return f"no videos in {where}{beside}; looked for {LOOKED_FOR}"


class _Folder:
    """Pictures of one folder, until it is known what they are."""

    def __init__(
        self, own_id: str, prefix: str, file: StoredFile, pictures: list[StoredFile], videos: bool
    ) -> None:
        self.id = own_id
        self.prefix = prefix
        self.file = file
        self.pictures = pictures
        self.has_videos = videos

    @property
    def name(self) -> str:
        return self.id.rpartition("/")[2]


def single(name: str, file: StoredFile, where: str, rule: PictureRule) -> Listing:
    """The listing of one file given by itself.

    Raises:
        UsageError: it can be no sample.
    """
    images = rule.sees == "pictures" and rule.stated != "frames"
    found = kind_of(name, file, still_gifs=images)
    kind = found.kind
    if kind == "compressed":
        raise UsageError(f"{where} {COMPRESSED}")
    if kind == "picture" and images:
        return Listing(name, [FolderEntry(name, file, kind)], decision=Decision(images=True))
    if kind == "picture" and file.suffix in EITHER_SUFFIXES:
        kind = "animation"
    if kind == "picture":
        raise UsageError(f"{where} is one picture, no video; give the folder of its frames")
    if kind == "other":
        known = "" if found.what == "unknown files" else f" (it looks like {found.what})"
        raise UsageError(f"{where} is no video{known}; looked for {LOOKED_FOR}")
    return Listing(name, [FolderEntry(name, file, kind)])
