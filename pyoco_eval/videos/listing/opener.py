"""From what a search or a manifest found to readers: one for each video or image."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from pyoco_eval.videos.listing.entry import FolderEntry
from pyoco_eval.videos.listing.found import COMPRESSED
from pyoco_eval.videos.listing.pictures import PictureRule, could_be_either
from pyoco_eval.videos.listing.tar_shards import PICTURES, VIDEOS, shard_holds, shard_samples
from pyoco_eval.videos.readers.array_files import ArrayCache, array_videos
from pyoco_eval.videos.readers.array_reader import Levels
from pyoco_eval.videos.readers.base import BrokenReader, FrameReader, UnreadableError
from pyoco_eval.videos.readers.choose import ARRAY_SUFFIXES, file_reader
from pyoco_eval.videos.readers.stored_file import StoredFile


@dataclass(frozen=True)
class StoredVideo:
    """A reader with what `Video` needs besides.

    Attributes:
        is_image: it is one picture that stands for itself.
    """

    id: str
    reader: FrameReader
    caption: str | None = None
    label: str | None = None
    is_image: bool = False
    group: str | None = None


class Opener:
    """Gives entries their readers; array files are looked into once, however often listed."""

    def __init__(self, decoder: str, levels: Levels, rule: PictureRule | None = None) -> None:
        self.decoder = decoder
        self.levels = levels
        self.rule = rule or PictureRule()
        self._wants_images = self.rule.sees == "pictures" and self.rule.stated != "frames"
        self._cache = ArrayCache()
        self._arrays: dict[StoredFile, dict[str, FrameReader]] = {}
        self._shards: dict[StoredFile, dict[str, StoredVideo]] = {}

    def videos(self, entry: FolderEntry) -> Iterator[StoredVideo]:
        """Every video or image of `entry`, in its stored order."""
        if entry.kind == "shard" and entry.item:
            yield self._of_shard(entry)
            return
        if entry.kind == "shard":
            yield from self._shard(entry)
            return
        is_picture = entry.kind == "picture" and not entry.frames
        for video_id, reader in self._readers(entry):
            is_image = is_picture or reader.is_still
            yield StoredVideo(video_id, reader, entry.caption, entry.label, is_image, entry.group)

    def _readers(self, entry: FolderEntry) -> Iterator[tuple[str, FrameReader]]:
        from pyoco_eval.videos.readers.picture_files import BrokenFrames, StillPicture
        from pyoco_eval.videos.readers.pillow_reader import FrameFolder

        if entry.problem is not None:
            yield entry.id, BrokenFrames(entry.frames, entry.problem)
        elif entry.frames:
            yield entry.id, FrameFolder(entry.frames)
        elif entry.kind == "picture":
            yield entry.id, StillPicture(entry.file)
        elif entry.kind == "compressed":
            yield entry.id, BrokenReader(entry.file, COMPRESSED)
        elif entry.kind != "array":
            animation = entry.kind == "animation"
            yield entry.id, file_reader(entry.file, self.decoder, animation=animation)
        elif not entry.item:
            yield from ((entry.id + item, r) for item, r in self._items(entry.file).items())
        else:
            items = self._items(entry.file)
            reason = f"is not there: {entry.file.name} holds {len(items)} videos"
            absent = items.get("") or BrokenReader(entry.file, reason)
            yield entry.id + entry.item, items.get(entry.item, absent)

    def _of_shard(self, entry: FolderEntry) -> StoredVideo:
        """The one sample of a shard that a manifest names, with what the manifest says of it."""
        if entry.file not in self._shards:
            found = self._shard(replace(entry, item=""))
            self._shards[entry.file] = {video.id.removeprefix(entry.id): video for video in found}
        videos = self._shards[entry.file]
        own_id = entry.id + entry.item
        video = videos.get(entry.item) or videos.get("")
        if video is None:
            reason = f"is not there: {entry.file.name} holds {len(videos)} samples"
            return StoredVideo(own_id, BrokenReader(entry.file, reason), entry.caption, entry.label)
        return replace(
            video,
            id=own_id,
            caption=entry.caption or video.caption,
            label=entry.label or video.label,
            group=entry.group,
        )

    def _shard(self, entry: FolderEntry) -> Iterator[StoredVideo]:
        try:
            images = self._holds_images(entry.file)
            samples = shard_samples(entry.file, PICTURES if images else VIDEOS)
        except (UnreadableError, OSError) as error:
            reason = (
                error.reason
                if isinstance(error, UnreadableError)
                else f"cannot be read: {error.strerror or error}"
            )
            yield StoredVideo(entry.id, BrokenReader(entry.file, reason))
            return
        for sample in samples:
            own_id = f"{entry.id}#{sample.key}" if sample.key else entry.id
            texts = (sample.caption, sample.label)
            if sample.problem is not None:
                broken = BrokenReader(sample.file, sample.problem)
                yield StoredVideo(own_id, broken, *texts, images)
                continue
            for video_id, reader in self._member(own_id, sample.file, images=images):
                yield StoredVideo(video_id, reader, *texts, images or reader.is_still)

    def _holds_images(self, file: StoredFile) -> bool:
        """Whether the samples of a shard are images: asked for, and there is no video in it."""
        if self.rule.stated == "images" or not self.rule.open:
            return self.rule.stated == "images"
        pictures, videos = shard_holds(file, PICTURES, VIDEOS - PICTURES)
        return pictures and not videos

    def _member(
        self, own_id: str, file: StoredFile, *, images: bool
    ) -> Iterator[tuple[str, FrameReader]]:
        from pyoco_eval.videos.readers.picture_files import StillPicture

        if images:
            yield own_id, StillPicture(file)
        elif file.suffix not in ARRAY_SUFFIXES:
            yield own_id, file_reader(file, self.decoder)
        else:
            yield from ((own_id + item, reader) for item, reader in self._items(file).items())

    def _items(self, file: StoredFile) -> dict[str, FrameReader]:
        """The readers of an array file by what follows its name in their ids."""
        if file not in self._arrays:
            try:
                found: dict[str, FrameReader] = dict(array_videos(file, self.levels, self._cache))
                if not self._wants_images and any(r.is_still for r in found.values()):
                    raise UnreadableError("is one picture (H, W, 3): expected (T, H, W, 3)")
                self._arrays[file] = found
            except UnreadableError as error:
                self._arrays[file] = {"": BrokenReader(file, error.reason)}
        return self._arrays[file]


_BESIDE_VIDEOS = (
    "arrays of four axes lie beside videos and are taken as videos (T, H, W, 3), too; --pictures "
    "images takes them as images."
)


@dataclass(frozen=True)
class Settled:
    """Videos, or images, and the sentence that says why they are images."""

    videos: Sequence[StoredVideo]
    note: str = ""


def settle_arrays(where: str, stored: Iterable[StoredVideo], rule: PictureRule) -> Settled:
    """Decide what arrays of four axes are, (T, H, W, 3) or (N, H, W, 3), and split the latter.

    Where only metrics of images are asked for, one such array holds images; several could be
    videos as well as batches of images, and beside videos they are videos. Arrays of five axes
    hold videos whatever is asked.

    Raises:
        UsageError: they could be either, or images and videos are mixed.
    """
    videos = list(stored)
    batches = [video for video in videos if video.reader.is_whole]
    if not batches or rule.sees == "clips" or rule.stated == "frames":
        return Settled(videos)
    if rule.open and any(not video.reader.is_whole and not video.is_image for video in videos):
        return Settled(videos, _BESIDE_VIDEOS)
    if rule.open and len(batches) > 1:
        raise could_be_either(
            where,
            f"holds {len(batches)} arrays of four axes",
            "take them as (N, H, W, 3), N images each",
            "take them as (T, H, W, 3), a video each",
        )
    split = [image for video in videos for image in _images(video, alone=len(videos) == 1)]
    count = len(split) - len(videos) + len(batches)
    note = (
        f"an array of four axes is taken as (N, H, W, 3): {count:,} images, every one a row; "
        "--pictures frames takes it as one video."
    )
    return Settled(split, note if rule.open else "")


def _images(video: StoredVideo, *, alone: bool) -> Iterator[StoredVideo]:
    if not video.reader.is_whole:
        yield video
        return
    base = video.id.removesuffix("#0") if alone else video.id
    for number, still in enumerate(video.reader.stills()):
        yield replace(video, id=f"{base}#{number}", reader=still, is_image=True)
