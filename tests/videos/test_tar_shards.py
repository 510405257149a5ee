"""Tar shards: the same videos as in a folder, and archives that are not to be trusted."""

import gzip
import hashlib
import io
import json
import shutil
import tarfile
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from encoded_clips import encode
from PIL import Image

from pyoco_eval.errors import UsageError, VideoError
from pyoco_eval.videos.source import open_source

RNG = np.random.default_rng(0)
CLIP = RNG.integers(0, 256, (3, 8, 10, 3), np.uint8)


def npy(clip=CLIP):
    buffer = io.BytesIO()
    np.save(buffer, clip)
    return buffer.getvalue()


def member(name, data=b"", **fields):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def pack(path, *members, **options):
    with tarfile.open(path, "w", **options) as archive:
        for entry in members:
            info, data = member(*entry) if isinstance(entry[0], str) else entry
            archive.addfile(info, io.BytesIO(data))
    return path


def described(source):
    return [(video.id, video.caption, video.label) for video in source]


def problem(source, index=0):
    with pytest.raises(VideoError) as caught:
        source[index].count_frames()
    assert source[index].digest()
    return str(caught.value)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """One clip of every kind that a shard may hold."""
    root = tmp_path_factory.mktemp("clips")
    encode(root / "h264.mp4", num_frames=9)
    encode(root / "x.mkv", num_frames=7)
    encode(root / "vp9.webm", "libvpx-vp9", num_frames=5)
    encode(root / "mpeg4.avi", "mpeg4", num_frames=8)
    encode(root / "turned.mov", num_frames=4)
    pictures = [Image.fromarray(frame) for frame in CLIP]
    pictures[0].save(root / "gif.gif", save_all=True, append_images=pictures[1:])
    pictures[0].save(root / "webp.webp", save_all=True, append_images=pictures[1:], lossless=True)
    np.save(root / "npy.npy", np.asfortranarray(CLIP))
    np.savez(root / "npz.npz", CLIP)
    np.savez_compressed(root / "packed.npz", np.stack([CLIP, CLIP[::-1]]))
    return root


def test_every_format_gives_the_frames_and_digests_of_the_file(clips, tmp_path):
    with tarfile.open(tmp_path / "all.tar", "w") as archive:
        for path in sorted(clips.iterdir()):
            archive.add(path, f"./sub/{path.name}")
    folder, shard = open_source(clips), open_source(tmp_path / "all.tar")
    names = {video.id.partition(".")[0] for video in folder}
    assert {video.id.split("#")[1] for video in shard} == {f"sub/{name}" for name in names}
    assert [v.id for v in shard][-3:] == ["all.tar#sub/vp9", "all.tar#sub/webp", "all.tar#sub/x"]
    assert "all.tar#sub/packed#1" in [v.id for v in shard]
    for alone, packed in zip(folder, shard, strict=True):
        assert alone.probe() == packed.probe()
        assert alone.digest() == packed.digest()
        count = alone.count_frames()
        assert np.array_equal(alone.read(range(count)), packed.read(range(count)))
    assert folder.decoder_label() == shard.decoder_label()


def test_threads_read_one_shard_at_once(clips, tmp_path):
    with tarfile.open(tmp_path / "all.tar", "w") as archive:
        for path in sorted(clips.iterdir()):
            archive.add(path, path.name)
    shard = open_source(tmp_path / "all.tar")
    expected = [video.read([0, 2]) for video in shard]
    found = [[None] * len(shard) for _ in range(4)]

    def read(number):
        order = range(len(shard)) if number % 2 else reversed(range(len(shard)))
        for index in order:
            found[number][index] = shard[index].read([0, 2])

    threads = [threading.Thread(target=read, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for frames in found:
        assert all(np.array_equal(a, b) for a, b in zip(frames, expected, strict=True))


def test_decord_reads_members(tmp_path):
    pytest.importorskip("decord")
    path = encode(tmp_path / "a.mp4", num_frames=6)
    pack(tmp_path / "s.tar", ("x.txt", b"t"), ("x.mp4", path.read_bytes()))
    (alone,) = open_source(path, decoder="decord")
    (packed,) = open_source(tmp_path / "s.tar", decoder="decord")
    assert np.array_equal(alone.read(range(6)), packed.read(range(6)))


def test_samples_are_grouped_by_key_in_stored_order(tmp_path):
    extra = json.dumps({"Prompt": "from json", "label": 5, "fps": [1]}).encode()
    pack(
        tmp_path / "s.tar",
        ("b/2.txt", "  café \n".encode()),
        ("b/2.npy", npy()),
        ("b/2.cls", b"7\n"),
        ("b/2.json", extra),
        ("b/10.NPY", npy()),
        ("b/10.json", extra),
        ("b/10.wav", b"sound"),
        ("a.seg.npy", npy()),
        ("a.json", b"[1, 2]"),
        ("noextension", b"x"),
        ("._a.npy", b"apple"),
        ("__x/.git/a.npy", b"hidden"),
        ("b", b""),
    )
    assert described(open_source(tmp_path / "s.tar")) == [
        ("s.tar#b/2", "café", "7"),
        ("s.tar#b/10", "from json", "5"),
        ("s.tar#a", None, None),
    ]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_and_foreign_names_in_every_format(tmp_path, form):
    deep = "/".join(["d" * 30] * (4 if form == tarfile.USTAR_FORMAT else 9))
    name = f"{deep}/{'ü' * 30}.npy"
    directory = member(f"{deep}/", type=tarfile.DIRTYPE)
    pack(tmp_path / "s.tar", directory, (name, npy()), ("z.npy", npy()), format=form)
    source = open_source(tmp_path / "s.tar")
    assert [video.id for video in source] == [f"s.tar#{name[:-4]}", "s.tar#z"]
    assert all(np.array_equal(video.read(range(3)), CLIP) for video in source)


def test_pax_sizes_of_members_are_followed(tmp_path):
    info, data = member("a.npy", npy(), pax_headers={"size": str(len(npy()))})
    pack(tmp_path / "s.tar", (info, data), ("b.npy", npy(CLIP[:1])), format=tarfile.PAX_FORMAT)
    source = open_source(tmp_path / "s.tar")
    assert [video.count_frames() for video in source] == [3, 1]


def test_a_folder_mixes_shards_with_other_files(tmp_path):
    pack(tmp_path / "b.tar", ("0.npy", npy()), ("1.npy", npy(CLIP[:2])))
    (tmp_path / "sub").mkdir()
    pack(tmp_path / "sub" / "a.TAR", ("0.npy", npy()))
    np.save(tmp_path / "c.npy", CLIP)
    (tmp_path / "table.csv").write_text("x")
    source = open_source(tmp_path)
    assert [v.id for v in source] == ["b.tar#0", "b.tar#1", "c.npy", "sub/a.TAR#0"]
    assert source.ignored == 1
    assert source[1].path == tmp_path / "b.tar"
    digests = source.file_digests()
    assert digests["b.tar#0"] == digests["c.npy"]


def test_digest_of_a_video_member_is_of_its_bytes(tmp_path):
    path = encode(tmp_path / "a.mp4", num_frames=2)
    pack(tmp_path / "s.tar", ("x.mp4", path.read_bytes()))
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    assert open_source(tmp_path / "s.tar").file_digests() == {"s.tar#x": expected}


def test_compressed_archives_are_refused_with_the_remedy(tmp_path):
    pack(tmp_path / "s.tar", ("a.npy", npy()))
    packed = gzip.compress((tmp_path / "s.tar").read_bytes())
    (tmp_path / "lone").mkdir()
    (tmp_path / "lone" / "s.tar.gz").write_bytes(packed)
    for path in (tmp_path / "lone" / "s.tar.gz", tmp_path / "lone"):
        with pytest.raises(UsageError, match=r"s\.tar\.gz is compressed, .* unpack it to \.tar"):
            open_source(path)
    (tmp_path / "t.tgz").write_bytes(packed)
    beside = open_source(tmp_path)
    assert [v.id for v in beside] == ["lone/s.tar.gz", "s.tar#a", "t.tgz"]
    assert "t.tgz: is compressed" in problem(beside, 2)
    (tmp_path / "s.tar").write_bytes(packed)
    assert "gunzip it and name it .tar" in problem(open_source(tmp_path / "s.tar"))


def test_an_archive_beside_videos_is_just_another_file(tmp_path):
    np.save(tmp_path / "c.npy", CLIP)
    (tmp_path / "backup.tar.gz").write_bytes(b"x")
    assert open_source(tmp_path).ignored == 1
    assert len(open_source(tmp_path)) == 1


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("a.npy", npy()), ("a.npy", npy())], "s.tar#a: is in the archive 2 times"),
        ([("a.npy", npy()), ("b.txt", b"t"), ("a.npy", npy())], "s.tar#a: is in the archive 2"),
        ([("a.npy", npy()), ("a.gif", b"GIF")], r"s.tar#a: holds 2 videos (npy, gif)"),
        ([("../a.npy", npy())], "s.tar#../a: has a name that leads out of the archive"),
        ([("x/../../a.npy", npy())], "leads out of the archive"),
        ([("/etc/a.npy", npy())], "s.tar#/etc/a: has a name that leads out"),
        ([("a.txt", b"t"), ("b.npy", npy())], "s.tar#a: has no video, only txt"),
        ([member("a.npy", type=tarfile.SYMTYPE, linkname="/etc/passwd")], "s.tar#a: is a link"),
        ([member("a.npy", type=tarfile.LNKTYPE, linkname="b.npy")], "s.tar#a: is a link"),
        ([("a.npy", npy()), member("a.txt", type=tarfile.SYMTYPE)], "#a: its txt is a link"),
        ([("a.npy", npy()), ("a.txt", b"\xff\xfe")], "s.tar#a: its txt is not UTF-8"),
        ([("a.npy", npy()), ("a.txt", b"x" * 2**21)], "its txt has 2,097,152 bytes; 1,048,576"),
        ([("a.npy", npy()), ("a.json", b"{")], "s.tar#a: its json cannot be read as JSON"),
        ([("a.npy", npy()), ("a.json", b"[" * 99999)], "its json cannot be read as JSON"),
        ([("a.npy", npy()), ("a.json", b'{"caption": [1]}')], "its caption is a list"),
        ([("a.mp4", b"")], "s.tar#a: is empty (0 bytes)"),
        ([("a.npy", b"")], "s.tar#a: is empty (0 bytes)"),
        ([("a.mp4", b"no video")], "s.tar#a: cannot be opened: not a video"),
        ([("a.gif", b"no video")], "s.tar#a: cannot be opened: not a picture"),
        ([("a.npz", b"no video")], "s.tar#a: is no array file"),
        ([("a.npy", npy()[:-1])], "s.tar#a: is cut off: its header promises 720 bytes"),
        ([], "s.tar: is an empty archive; looked for"),
        ([("readme.md", b"x")], "s.tar: holds no sample; looked for videos"),
    ],
)
def test_what_is_wrong_with_a_sample_is_said_of_it(tmp_path, members, message):
    source = open_source(pack(tmp_path / "s.tar", *members))
    assert message in problem(source)


def test_sparse_members_are_refused(tmp_path):
    info, data = member("a.npy", npy(), pax_headers={"GNU.sparse.major": "1"})
    pack(tmp_path / "s.tar", (info, data), ("b.npy", npy()), format=tarfile.PAX_FORMAT)
    source = open_source(tmp_path / "s.tar")
    assert "GNU sparse" in problem(source)
    assert source[1].count_frames() == 3
    block = bytearray(tarfile.TarInfo("a.npy").tobuf(tarfile.GNU_FORMAT))
    block[156:157] = b"S"
    block[482] = 1
    rest = pack(tmp_path / "t.tar", ("b.npy", npy())).read_bytes()
    path = tmp_path / "old.tar"
    path.write_bytes(with_checksum(block) + bytes(512) + rest)
    source = open_source(path)
    assert [video.id for video in source] == ["old.tar#a", "old.tar#b"]
    assert "GNU sparse" in problem(source)


def with_checksum(block):
    block[148:156] = b" " * 8
    block[148:156] = f"{sum(block):06o}\0 ".encode()
    return bytes(block)


@pytest.fixture
def three(tmp_path):
    """A shard of three samples, and where the second's header starts."""
    path = pack(tmp_path / "s.tar", *[(f"{n}.npy", npy()) for n in range(3)])
    return path, 512 + -(-len(npy()) // 512) * 512


def test_any_cut_leaves_whole_samples_and_one_complaint(three):
    path, second = three
    data = path.read_bytes()
    for size in (600, second, second + 100, second + 513, 3 * second):
        path.write_bytes(data[:size])
        source = open_source(path)
        whole = size // second
        if not whole:
            assert problem(source) == "s.tar: is cut off within its first sample; copy it again"
            continue
        assert [video.id for video in source] == [*(f"s.tar#{n}" for n in range(whole)), "s.tar"]
        assert all(video.count_frames() == 3 for video in list(source)[:whole])
        assert f"s.tar: is cut off after {whole} sample" in problem(source, whole)
    path.write_bytes(data[:100])
    assert "is no tar archive, or damaged at its start" in problem(open_source(path))
    path.write_bytes(b"")
    assert "is empty (0 bytes)" in problem(open_source(path))


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (3, b"\xff", "is damaged at byte {second:,} after 1 sample"),
        (124, b"\x80" + b"\xff" * 11, "is cut off after 1 sample"),
        (124, b"\xff" * 12, "holds a member of negative size after 1 sample"),
        (124, b"12x45678901\0", "holds a header with a garbled number after 1 sample"),
        (156, b"L", "s.tar#0"),
        (156, b"?", None),
    ],
)
def test_garbled_headers_end_the_walk(three, place, value, message):
    path, second = three
    data = bytearray(path.read_bytes())
    data[second + place : second + place + len(value)] = value
    if value != b"\xff":
        data[second : second + 512] = with_checksum(data[second : second + 512])
    path.write_bytes(data)
    source = open_source(path)
    if message is None:
        assert "is of the unknown kind b'?'" in problem(source, 1)
        assert source[2].count_frames() == 3
    elif value == b"L":
        assert source[0].id == message
        assert source[0].count_frames() == 3
    else:
        assert message.format(second=second) in problem(source, 1)


@pytest.mark.parametrize(
    "records", [b"x", b"99 a=b\n", b"6 path\n", b"5 a=b", b"9 size=x\n", b"0 "]
)
def test_garbled_extended_headers_end_the_walk(tmp_path, records):
    info, data = member("x", records, type=b"x")
    path = pack(tmp_path / "s.tar", ("0.npy", npy()), (info, data), ("1.npy", npy()))
    source = open_source(path)
    assert [video.id for video in source] == ["s.tar#0", "s.tar"]
    assert "holds a" in problem(source, 1)


def test_two_archives_in_one_file_are_told(three):
    path, _ = three
    path.write_bytes(path.read_bytes() * 2)
    source = open_source(path)
    assert len(source) == 4
    assert "goes on behind its end mark" in problem(source, 3)


def test_no_random_damage_crashes_or_hangs(three):
    path, _ = three
    data = path.read_bytes()
    rng = np.random.default_rng(1)
    for _ in range(150):
        broken = bytearray(data)
        for place in rng.integers(0, len(data), 20):
            broken[place] = rng.integers(256)
        path.write_bytes(broken[: rng.integers(1, len(data))])
        for video in open_source(path):
            with suppress(VideoError):
                assert video.count_frames() > 0


def test_a_shard_that_changes_while_in_use_is_told(three, tmp_path):
    path, _ = three
    source = open_source(path)
    pack(tmp_path / "other.tar", *[(f"{n}.npy", npy(CLIP[:1])) for n in range(9)])
    shutil.copy(tmp_path / "other.tar", path)
    with pytest.raises(VideoError, match=r"s\.tar was changed after it was opened"):
        source[1].read([0])


def test_missing_and_dangling_shards(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        open_source(tmp_path / "gone.tar")
    (tmp_path / "dangling.tar").symlink_to(tmp_path / "nowhere.tar")
    (video,) = open_source(tmp_path)
    with pytest.raises(VideoError, match="cannot be read: No such file"):
        video.count_frames()


def test_manifests_refuse_shards_and_captions_find_keys(tmp_path, three):
    from pyoco_eval.videos.listing.attach import attach_captions

    path, _ = three
    table = Path(tmp_path / "m.csv")
    table.write_text("file,caption\ns.tar,x\n")
    with pytest.raises(UsageError, match=r"line 2: s\.tar: is a shard .* as --samples itself"):
        open_source(table)
    table.write_text("file,caption\n2,two\ns.tar#0,nought\n1,one\n")
    captions = [video.caption for video in attach_captions(open_source(path), table)]
    assert captions == ["nought", "one", "two"]


def test_a_manifest_names_samples_of_shards(tmp_path):
    (tmp_path / "deep").mkdir()
    pack(
        tmp_path / "deep" / "s.tar",
        ("b/1.npy", npy(CLIP + 1)), ("b/1.txt", b"one"), ("a.npy", npy()), ("a.cls", b"7"),
        ("many.npy", npy(np.stack([CLIP, CLIP + 2]))),
    )  # fmt: skip
    rows = [
        {"file": "deep/s.tar#b/1"},
        {"file": "deep/s.tar#a", "caption": "told", "label": "8", "group": "g"},
        {"file": "deep/s.tar#many#1"},
    ]
    manifest = tmp_path / "list.jsonl"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = open_source(manifest)
    assert described(source) == [
        ("deep/s.tar#a", "told", "8"), ("deep/s.tar#b/1", "one", None),
        ("deep/s.tar#many#1", None, None),
    ]  # fmt: skip
    assert source[0].group == "g"
    assert source[0].path == tmp_path / "deep" / "s.tar"
    whole = {video.id: video for video in open_source(tmp_path / "deep")}
    for video in source:
        np.testing.assert_array_equal(
            video.read([0, 2]), whole[video.id.removeprefix("deep/")].read([0, 2])
        )


def test_a_manifest_names_a_sample_that_is_not_there(tmp_path):
    pack(tmp_path / "s.tar", ("a.npy", npy()))
    manifest = tmp_path / "list.jsonl"
    manifest.write_text('{"file": "s.tar#b"}\n')
    assert "is not there: s.tar holds 1 samples" in problem(open_source(manifest))
    manifest.write_text('{"file": "s.tar"}\n')
    with pytest.raises(UsageError, match=r"name one sample of it \(shard\.tar#KEY\)"):
        open_source(manifest)
    manifest.write_text('{"file": "s.tar#a"}\n{"file": "./s.tar#a"}\n')
    with pytest.raises(UsageError, match="listed twice"):
        open_source(manifest)
    manifest.write_text('{"file": "t.tar#a"}\n')
    with pytest.raises(UsageError, match="no such file"):
        open_source(manifest)
