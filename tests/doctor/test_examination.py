"""What the examination says of machines that are not like this one."""

import os
import types
import warnings
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from pyoco_eval.doctor import decoders, examine, libraries, machine, packages, storage
from pyoco_eval.doctor.machine import Limits, group_limits, instruction_sets, usable_cores
from pyoco_eval.doctor.packages import satisfies
from pyoco_eval.errors import VideoError
from pyoco_eval.videos import source
from pyoco_eval.weights.manifest import MANIFEST


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    for key in MANIFEST:
        monkeypatch.delenv(storage.variable_of(key), raising=False)
    monkeypatch.setenv("PYOCO_EVAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "weights"


def by_name(findings):
    return {finding.name: finding for finding in findings}


def test_every_remark_has_its_remedy_and_nothing_required_is_broken():
    findings = examine()
    assert not [finding for finding in findings if finding.breaks]
    assert {"machine", "computing", "decoders", "packages", "files", "weights", "references"} == {
        finding.section for finding in findings
    }
    unexplained = {f.name for f in findings if f.level != "ok" and not f.remedy}
    assert unexplained <= {"torchvision build"}


@pytest.mark.parametrize(
    ("flags", "names"),
    [
        ("sse2", []),
        ("sse2 avx2", ["AVX2"]),
        ("avx2 avx512f avx512_bf16", ["AVX2", "AVX-512", "AVX-512 bf16"]),
        ("avx2 amx_tile amx_bf16", ["AVX2", "AMX bf16"]),
        ("fp asimd bf16", ["NEON", "Arm bf16"]),
    ],
)
def test_instruction_sets(flags, names):
    assert instruction_sets(frozenset(flags.split())) == names


def write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="ascii")


def test_limits_of_version_two_are_those_of_the_tightest_group(tmp_path):
    write(tmp_path / "self", "0::/slice/pod\n")
    write(tmp_path / "fs/slice/pod/cpu.max", "250000 100000\n")
    write(tmp_path / "fs/slice/pod/memory.max", "max\n")
    write(tmp_path / "fs/slice/cpu.max", "max 100000\n")
    write(tmp_path / "fs/slice/memory.max", "1073741824\n")
    limits = group_limits(tmp_path / "fs", tmp_path / "self")
    assert limits == Limits(2.5, 1 << 30)
    assert usable_cores(Limits(0.5, None)) == 1


def test_limits_of_version_one(tmp_path):
    write(tmp_path / "self", "4:memory:/docker/x\n1:cpu,cpuacct:/docker/x\n0::/\n")
    write(tmp_path / "fs/cpu/cpu.cfs_quota_us", "150000\n")
    write(tmp_path / "fs/cpu/cpu.cfs_period_us", "100000\n")
    write(tmp_path / "fs/memory/docker/x/memory.limit_in_bytes", "2147483648\n")
    assert group_limits(tmp_path / "fs", tmp_path / "self") == Limits(1.5, 2 << 30)
    write(tmp_path / "fs/cpu/cpu.cfs_quota_us", "-1\n")
    assert group_limits(tmp_path / "fs", tmp_path / "self").cores is None
    assert group_limits(tmp_path / "none", tmp_path / "none") == Limits(None, None)


def test_little_memory_is_noted():
    assert machine._memory(Limits(None, 1 << 30)).level == "note"
    assert machine._memory(Limits(None, None)).level == "ok"


@pytest.mark.parametrize(
    ("threads", "cores", "named", "remedy"),
    [
        (2, 2, None, ""),
        (8, 2, None, "export OMP_NUM_THREADS=2"),
        (1, 2, "1", "unset OMP_NUM_THREADS"),
        (1, 2, None, "export OMP_NUM_THREADS=2"),
    ],
)
def test_threads_should_be_as_many_as_cores(threads, cores, named, remedy, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if named:
        monkeypatch.setenv("OMP_NUM_THREADS", named)
    found = libraries._threads(threads, cores)
    assert (found.remedy, found.level) == (remedy, "note" if remedy else "ok")


class Torch:
    """As much of PyTorch as the graphics processors are asked about."""

    def __init__(self, *cards, warning="", mps=False):
        self.cuda = types.SimpleNamespace(
            is_available=lambda: (warning and warnings.warn(warning, stacklevel=1)) or bool(cards),
            device_count=lambda: len(cards),
            get_device_properties=cards.__getitem__,
        )
        self.backends = types.SimpleNamespace(mps=types.SimpleNamespace(is_available=lambda: mps))

    def get_float32_matmul_precision(self):
        return "high"


def test_graphics_processors(tmp_path, monkeypatch):
    driver = tmp_path / "version"
    line = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 2024\n"
    driver.write_text(line, encoding="ascii")
    monkeypatch.setattr(libraries, "_DRIVER", driver)
    card = types.SimpleNamespace(name="H100", total_memory=80 << 30, major=9, minor=0)
    gpu, tf32 = libraries._graphics(Torch(card))
    assert gpu.name == "GPU cuda:0"
    assert gpu.text == "H100, 80 GiB, compute capability 9.0, driver 550.54.15"
    assert "rounds factors of convolutions, as PyTorch is set; never in scores" in tf32.text
    (unused,) = libraries._graphics(Torch(warning="driver too old (found version 11)\nUpdate"))
    assert unused.level == "note"
    assert unused.text.endswith("does not use it; driver too old (found version 11)")
    (apple,) = libraries._graphics(Torch(mps=True))
    assert apple.name == "GPU mps"
    monkeypatch.setattr(libraries, "_DRIVER", tmp_path / "none")
    assert libraries._graphics(Torch())[0].text == "none; networks run on the processor"


@pytest.fixture
def opening(monkeypatch):
    """Let something happen whenever a file of this name is opened as a video."""
    real = source.open_source

    def install(name, happens):
        def opened(path):
            return happens(path) if path.name == name else real(path)

        monkeypatch.setattr(source, "open_source", opened)

    return install


def test_a_clip_of_every_codec_is_decoded():
    found = by_name(decoders.examine_decoders())
    names = {sample.name for sample in decoders.SAMPLES}
    shown = set(found["decoded here"].text.split(", "))
    untried = found["not tried"].text.partition(": ")[2].split(", ") if "not tried" in found else []
    assert shown | set(untried) == names
    assert {"H.264", "GIF", "PNG"} <= shown
    assert not names & set(found)


@pytest.mark.parametrize(
    ("file", "name", "breaks", "level"),
    [("clip-av1.mkv", "AV1", False, "note"), ("clip.mp4", "H.264", True, "problem")],
)
def test_a_codec_that_fails(file, name, breaks, level, opening):
    def fail(path):
        raise VideoError(path.name, "no decoder for its video codec is available")

    opening(file, fail)
    found = by_name(decoders.examine_decoders())[name]
    assert (found.breaks, found.level) == (breaks, level)
    assert "no decoder for its video codec" in found.text
    assert found.remedy == "pip install --force-reinstall av"


def test_a_reader_that_calls_what_pyav_no_longer_has(monkeypatch):
    import av

    def without_the_argument(*_, **options):
        raise TypeError(f"open() got an unexpected keyword argument {next(iter(options))!r}")

    monkeypatch.setattr(av, "open", without_the_argument)
    found = by_name(decoders.examine_decoders())
    assert found["H.264"].breaks
    assert "TypeError: open() got an unexpected keyword argument" in found["H.264"].text
    assert found["decoded here"].text == "GIF, WebP, PNG, JPEG"


def test_frames_that_are_lost_or_wrong(tmp_path, opening):
    frames = np.stack([np.full((32, 32, 3), 20 * number, np.uint8) for number in range(8)])
    shown = types.SimpleNamespace(walk=lambda: iter(()))
    opening("clip.mp4", lambda path: [shown])
    for walk, said in (
        (frames[:6], "a test clip of 8 frames decodes to 6"),
        (frames[:, :16], "decodes to (16, 32, 3)"),
        (frames[::-1], "shows other pictures"),
        (frames, None),
    ):
        shown.walk = lambda walk=walk: iter([lambda frame=frame: frame for frame in walk])
        reason = decoders.why_not_decoded(tmp_path / "clip.mp4", frames)
        assert reason == said or said in reason


def test_a_format_that_cannot_be_written_is_not_tried(monkeypatch):
    monkeypatch.setattr("av.open", lambda *_, **__: (_ for _ in ()).throw(ValueError("encoder")))
    with pytest.raises(decoders.CannotMakeError):
        decoders.encoded("prores_ks", ".mov", "yuv422p10le")(
            Path("/nowhere"), np.zeros((1, 32, 32, 3))
        )


@pytest.mark.parametrize("supported", [True, False])
def test_bfloat16_of_the_processor(supported, monkeypatch):
    monkeypatch.setattr("pyoco_eval.devices.onednn_takes", lambda dtype: supported)
    found = libraries._bf16()
    assert found.level == ("ok" if supported else "note")
    assert ("signed bf16-emulated" in found.text) is not supported


@pytest.mark.parametrize(
    ("version", "specifiers", "fits"),
    [
        ("18.1.0", "<20,>=17.1", True),
        ("17.0.9", ">=17.1,<20", False),
        ("20.0.0", ">=17.1,<20", False),
        ("2.13.0+cpu", "==2.13.0", True),
        ("2.12.1", "==2.13.0", False),
        ("2.13", "==2.13.0", True),
        ("2.10", ">=2.9", True),
        ("1.0rc1", "!=8.3.*", True),
        ("1.0", "", True),
    ],
)
def test_versions_are_compared_as_numbers(version, specifiers, fits):
    assert satisfies(version, specifiers) is fits


def pretend(monkeypatch, versions):
    """Installed versions other than the real ones; None for a package that is not there."""
    real = metadata.version

    def version(name):
        if name in versions and versions[name] is None:
            raise metadata.PackageNotFoundError(name)
        return versions.get(name) or real(name)

    monkeypatch.setattr(metadata, "version", version)


def test_old_and_missing_dependencies_break(monkeypatch):
    pretend(monkeypatch, {"av": "14.0.1", "crc32c": None})
    found = by_name(packages.examine_packages())
    assert found["av"].breaks
    assert found["av"].text.startswith("14.0.1, needed ")
    assert (found["crc32c"].remedy or "").startswith("pip install 'crc32c")
    assert ">=2.7" in (found["crc32c"].remedy or ""), "the bounds are those of the installation"


def test_optional_packages_say_what_they_enable(monkeypatch):
    pretend(monkeypatch, {"open_clip_torch": None})
    found = by_name(packages.examine_packages())["open_clip_torch"]
    assert (found.level, found.breaks) == ("note", False)
    assert found.text == "not installed; needed for CLIP-FID"
    assert found.remedy == "pip install 'pyoco-eval[clip]'"


def test_a_torchvision_of_another_torch(monkeypatch):
    pretend(monkeypatch, {"torch": "2.6.0"})
    found = by_name(packages.examine_packages())["torchvision build"]
    assert (found.level, found.breaks) == ("problem", False)
    assert "found 2.6.0" in found.text


def test_what_is_in_the_way(monkeypatch):
    pretend(monkeypatch, {"pyoco": "0.3.1", "scipy": None})
    found = by_name(packages.examine_packages())
    assert found["pyoco"].level == "note"
    assert found["SciPy"].level == "ok"


def test_two_installations(monkeypatch, tmp_path):
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        write(folder / "pyoco_eval-9.9.dist-info" / "METADATA", "Name: pyoco-eval\nVersion: 9.9\n")

    def distributions(**_):
        paths = [next(folder.iterdir()) for folder in folders]
        return [metadata.Distribution.at(path) for path in paths]

    monkeypatch.setattr(metadata, "distributions", distributions)
    found = packages._own()
    assert found.level == "problem"
    assert "installed 2 times" in found.text
    folders.pop()
    assert "but 9.9 is installed" in packages._own().text


def test_weights(cache, tmp_path, monkeypatch):
    assert storage._weights(MANIFEST["i3d"], False).remedy == "pyoco-eval weights fetch i3d"
    monkeypatch.setenv("PYOCO_EVAL_WEIGHTS_I3D", str(tmp_path / "none"))
    found = storage._weights(MANIFEST["i3d"], False)
    assert (found.level, found.remedy) == ("problem", "unset PYOCO_EVAL_WEIGHTS_I3D")
    cache.mkdir(parents=True)
    (cache / MANIFEST["clip"].name).write_bytes(b"cut")
    assert "3 bytes instead of 353,976,522" in storage._weights(MANIFEST["clip"], False).text
    assert "damaged" in storage._weights(MANIFEST["clip"], True).text
    (cache / MANIFEST["c3d"].name).write_bytes(b"x")
    assert storage._weights(MANIFEST["c3d"], False).text.endswith("not hashed (--verify)")
    assert "-unverified" in storage._weights(MANIFEST["c3d"], True).text


def test_the_cache_and_the_network(tmp_path, monkeypatch):
    assert storage._cache(tmp_path / "new" / "folder").text.endswith("(made when needed)")
    (tmp_path / "file").write_bytes(b"")
    assert storage._cache(tmp_path / "file" / "cache").level == "problem"
    monkeypatch.setenv("PYOCO_EVAL_OFFLINE", "1")
    assert storage._network().text == "offline: no connection is opened"
    monkeypatch.setenv("PYOCO_EVAL_OFFLINE", "0")
    monkeypatch.setenv("PYOCO_EVAL_WEIGHTS_MIRROR", "https://me:secret@mirror.example/w?key=secret")
    monkeypatch.setenv("HTTPS_PROXY", "http://me:secret@proxy.example")
    text = storage._network().text
    assert text.endswith("; mirror https://mirror.example/w; through a proxy")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs permission bits")
def test_a_cache_that_is_read_only(tmp_path):
    tmp_path.chmod(0o500)
    found = storage._cache(tmp_path)
    tmp_path.chmod(0o700)
    assert (found.level, "read-only" in found.text) == ("note", True)
