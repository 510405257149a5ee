"""From what a search or a manifest found to readers: one for each video of each entry."""

from collections.abc import Iterator
from dataclasses import dataclass

from pyoco_eval.videos.listing.folder import COMPRESSED, FolderEntry, is_compressed_shard
from pyoco_eval.videos.listing.tar_shards import shard_samples
from pyoco_eval.videos.readers.array_files import ArrayCache, array_videos
from pyoco_eval.videos.readers.array_reader import Levels
from pyoco_eval.videos.readers.base import BrokenReader, FrameReader, UnreadableError
from pyoco_eval.videos.readers.choose import ARRAY_SUFFIXES, SHARD_SUFFIXES, file_reader
from pyoco_eval.videos.readers.stored_file import StoredFile


@dataclass(frozen=True)
class StoredVideo:
    """A reader with what `Video` needs besides."""

    id: str
    reader: FrameReader
    caption: str | None
    label: str | None


class Opener:
    """Gives entries their readers; array files are looked into once, however often listed."""

    def __init__(self, decoder: str, levels: Levels) -> None:
        self.decoder = decoder
        self.levels = levels
        self._cache = ArrayCache()
        self._arrays: dict[StoredFile, dict[str, FrameReader]] = {}

    def videos(self, entry: FolderEntry) -> Iterator[StoredVideo]:
        """Every video of `entry`, in its stored order."""
        if entry.file.suffix in SHARD_SUFFIXES and not entry.frames:
            yield from self._shard(entry)
            return
        for video_id, reader in self._readers(entry):
            yield StoredVideo(video_id, reader, entry.caption, entry.label)

    def _readers(self, entry: FolderEntry) -> Iterator[tuple[str, FrameReader]]:
        if entry.frames:
            from pyoco_eval.videos.readers.pillow_reader import FrameFolder

            yield entry.id, FrameFolder(entry.frames)
        elif is_compressed_shard(entry.file.name):
            yield entry.id, BrokenReader(entry.file, COMPRESSED)
        elif not entry.item:
            yield from self._file(entry.id, entry.file)
        else:
            items = self._items(entry.file)
            reason = f"is not there: {entry.file.name} holds {len(items)} videos"
            absent = items.get("") or BrokenReader(entry.file, reason)
            yield entry.id + entry.item, items.get(entry.item, absent)

    def _shard(self, entry: FolderEntry) -> Iterator[StoredVideo]:
        try:
            samples = shard_samples(entry.file)
        except (UnreadableError, OSError) as error:
            reason = (
                error.reason
                if isinstance(error, UnreadableError)
                else f"cannot be read: {error.strerror or error}"
            )
            yield StoredVideo(entry.id, BrokenReader(entry.file, reason), None, None)
            return
        for sample in samples:
            own_id = f"{entry.id}#{sample.key}" if sample.key else entry.id
            if sample.problem is not None:
                broken = BrokenReader(sample.file, sample.problem)
                yield StoredVideo(own_id, broken, sample.caption, sample.label)
                continue
            for video_id, reader in self._file(own_id, sample.file):
                yield StoredVideo(video_id, reader, sample.caption, sample.label)

    def _file(self, own_id: str, file: StoredFile) -> Iterator[tuple[str, FrameReader]]:
        if file.suffix not in ARRAY_SUFFIXES:
            yield own_id, file_reader(file, self.decoder)
        else:
            yield from ((own_id + item, reader) for item, reader in self._items(file).items())

    def _items(self, file: StoredFile) -> dict[str, FrameReader]:
        """The readers of an array file by what follows its name in their ids."""
        if file not in self._arrays:
            try:
                self._arrays[file] = dict(array_videos(file, self.levels, self._cache))
            except UnreadableError as error:
                self._arrays[file] = {"": BrokenReader(file, error.reason)}
        return self._arrays[file]
