"""TorchScript archives: read like PyTorch reads them, and refused when they are hostile."""

import pickle
import random
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from pyoco_eval.features.loading.state_dict import WeightsError, read_state_dict
from pyoco_eval.features.loading.torchscript_archive import (
    TorchScriptArchiveError,
    is_torchscript_archive,
    read_torchscript_tensors,
)


class Leaf(nn.Module):
    """Attributes of every kind that TorchScript writes, beside the tensors."""

    sizes: list[int]
    parts: list[torch.Tensor]
    table: dict[str, int]

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)
        self.shared = self.linear
        self.register_buffer("steps", torch.tensor(2**40))
        self.register_buffer("empty", torch.zeros(0, 4))
        self.register_buffer("mask", torch.tensor([True, False]))
        self.sizes, self.parts, self.table = [1, 300, 70000], [torch.ones(2)], {"a": 1}
        self.pair = (1, 2.5)
        self.large, self.label = 2**40, "é"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x)


class Tree(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.leaf = Leaf()
        self.convolutions = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
        whole = torch.arange(24.0).reshape(4, 6)
        self.transposed = nn.Parameter(whole.t())
        self.register_buffer("window", whole[1:3, 2:5])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.leaf(x)


def as_script(module: nn.Module) -> torch.jit.ScriptModule:
    return torch.jit.script(module)


def as_trace(module: nn.Module) -> torch.jit.ScriptModule:
    weight = module.get_parameter("leaf.linear.weight")
    return torch.jit.trace(module, torch.ones(1, 3, dtype=weight.dtype))


def save_archive(
    path: Path, compile_module: Callable[[nn.Module], torch.jit.ScriptModule], module: nn.Module
) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        compile_module(module.eval()).save(str(path))
    return path


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return save_archive(tmp_path / "tree.pt", as_script, Tree())


@pytest.mark.parametrize("compile_module", [as_script, as_trace])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_tensors_equal_the_state_dict(
    compile_module: Callable[[nn.Module], torch.jit.ScriptModule],
    dtype: torch.dtype,
    tmp_path: Path,
) -> None:
    module = Tree().to(dtype)
    path = save_archive(tmp_path / "tree.pt", compile_module, module)
    found = read_torchscript_tensors(path)
    expected = dict(module.state_dict())
    assert expected.keys() <= found.keys()
    assert {key.replace("shared", "linear") for key in found} == {
        key.replace("shared", "linear") for key in expected
    }
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        assert found[name].is_contiguous()
        assert torch.equal(found[name], tensor), name


def test_the_kind_of_archive_is_told_apart(archive: Path, tmp_path: Path) -> None:
    torch.save(Tree().state_dict(), tmp_path / "state.pt")
    (tmp_path / "text.pt").write_text("text")
    assert is_torchscript_archive(archive)
    assert not is_torchscript_archive(tmp_path / "state.pt")
    assert not is_torchscript_archive(tmp_path / "text.pt")


def test_the_program_in_the_archive_is_not_needed(archive: Path, tmp_path: Path) -> None:
    expected = read_torchscript_tensors(archive)
    rewritten = rewrite(archive, tmp_path / "new.pt", lambda n, b: None if "/code/" in n else b)
    found = read_torchscript_tensors(rewritten)
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def rewrite(
    source: Path,
    target: Path,
    change: Callable[[str, bytes], bytes | None],
    *,
    compression: int = zipfile.ZIP_STORED,
) -> Path:
    """Copy an archive entry by entry; `change` returns new content, or None to leave one out."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", compression) as new:
        for name in old.namelist():
            content = change(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
    return target


def with_pickle(archive: Path, target: Path, stream: bytes) -> Path:
    return rewrite(archive, target, lambda n, b: stream if n.endswith("/data.pkl") else b)


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number(value: int) -> bytes:
    return b"\x8a\x08" + struct.pack("<q", value)


def numbers(*values: int) -> bytes:
    return b"(" + b"".join(number(value) for value in values) + b"t"


def tensor(
    *,
    key: str = "0",
    kind: str = "FloatStorage",
    numel: int = 6,
    offset: int = 0,
    size: tuple[int, ...] = (2, 3),
    stride: tuple[int, ...] = (3, 1),
) -> bytes:
    storage = b"(" + text("storage") + b"ctorch\n" + kind.encode() + b"\n" + text(key)
    storage += text("cpu") + number(numel) + b"tQ"
    body = storage + number(offset) + numbers(*size) + numbers(*stride) + b"\x89)"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + body + b"tR"


def module(*attributes: bytes) -> bytes:
    return b"c__torch__\nM\n)\x81}(" + b"".join(attributes) + b"ub"


def stream(body: bytes) -> bytes:
    return b"\x80\x02" + body + b"."


def test_the_hand_made_stream_is_accepted(tmp_path: Path) -> None:
    """So that the refusals below are about what they change."""
    path = hand_made(tmp_path, stream(module(text("w"), tensor())))
    assert torch.equal(read_torchscript_tensors(path)["w"], torch.arange(6.0).reshape(2, 3))


def hand_made(folder: Path, content: bytes, name: str = "hostile.pt") -> Path:
    with zipfile.ZipFile(folder / name, "w") as archive:
        archive.writestr("m/data.pkl", content)
        archive.writestr("m/constants.pkl", b"\x80\x02).")
        archive.writestr("m/data/0", struct.pack("<6f", *range(6)))
    return folder / name


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"cos\nsystem\n(" + text("true") + b"tR", "name 'os.system' is not allowed"),
        (b"cbuiltins\neval\n(" + text("1") + b"tR", "name 'builtins.eval' is not allowed"),
        (b"ctorch\nload\n(" + text("x") + b"tR", "name 'torch.load' is not allowed"),
        (b"(ios\nsystem\n", "opcode INST at byte 3 is not allowed"),
        (b"\x8c\x02os\x8c\x06system\x93", "opcode SHORT_BINUNICODE at byte 2"),
        (b"\x82\x01", "opcode EXT1"),
        (b"\x97", "opcode NEXT_BUFFER"),
        (b"h\x07", "malformed pickle: KeyError"),
        (b"t", "malformed pickle: IndexError"),
        (b"(", "_Mark is out of place"),
        (b"\xff", "malformed pickle"),
        (b"X\xff\xff\xff\x7f", "malformed pickle"),
        (b"}" + text("a") + b"b", "dict is out of place"),
        (b"c__torch__\nM\n" + numbers(1) + b"\x81", "with constructor arguments"),
        (b"c__torch__\nM\n)\x81" + numbers(1) + b"b", "not a dict of attributes"),
        (numbers(1), "does not hold a module"),
        (module(text("a.b"), tensor()), "has a dot in its name"),
        (module(text("w"), tensor(key="../../etc/passwd")), r"the key '../../etc/passwd'"),
        (module(text("w"), tensor(key="7")), "no data/7"),
        (module(text("w"), tensor(kind="QInt8Storage")), "'torch.QInt8Storage' is not allowed"),
        (module(text("w"), tensor(numel=2**40)), "data/0 has 24 bytes, expected 4398046511104"),
        (module(text("w"), tensor(numel=3)), "24 bytes, more than 12"),
        (module(text("w"), tensor(numel=-6)), "24 bytes, more than -24"),
        (module(text("w"), tensor(size=(2, 4))), "'w': offset 0.* outside its storage of 6"),
        (module(text("w"), tensor(offset=1)), "outside its storage"),
        (module(text("w"), tensor(offset=-1)), "outside its storage"),
        (module(text("w"), tensor(stride=(-3, 1))), "outside its storage"),
        (module(text("w"), tensor(size=(2**31, 2**31), stride=(0, 0))), "outside its storage"),
        (module(text("w"), tensor(size=(6,))), "outside its storage"),
    ],
)
def test_hostile_streams_are_refused(body: bytes, message: str, tmp_path: Path) -> None:
    path = hand_made(tmp_path, stream(body))
    with pytest.raises(TorchScriptArchiveError, match=message):
        read_torchscript_tensors(path)
    with pytest.raises(WeightsError, match=r"hostile\.pt: "):
        read_state_dict(path)


def test_modules_in_a_circle_and_exploding_trees_are_refused(tmp_path: Path) -> None:
    circle = b"c__torch__\nM\n)\x81q\x00}" + text("self") + b"h\x00sb"
    doubling = module() + b"q\x00"
    for level in range(40):
        once = b"h" + bytes([level])
        doubling += module(text("a") + once, text("b") + once) + b"q" + bytes([level + 1])
    for name, body in {"circle.pt": circle, "doubling.pt": doubling}.items():
        path = hand_made(tmp_path, stream(body), name)
        with pytest.raises(TorchScriptArchiveError, match="too deeply, too many, or in a circle"):
            read_torchscript_tensors(path)


def test_no_code_of_a_pickle_runs(tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "ran",)  # type: ignore[return-value]

    for protocol in range(2, 6):
        path = hand_made(tmp_path, pickle.dumps(Payload(), protocol), f"{protocol}.pt")
        with pytest.raises(TorchScriptArchiveError, match="is not allowed"):
            read_torchscript_tensors(path)
    assert not (tmp_path / "ran").exists()


def test_damaged_archives_are_refused(archive: Path, tmp_path: Path) -> None:
    whole = archive.read_bytes()
    flipped = bytearray(whole)
    flipped[whole.index(struct.pack("<24f", *range(24))) + 50] ^= 1
    for name, content in {"cut.pt": whole[:-100], "flipped.pt": bytes(flipped)}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(WeightsError, match=rf"{name}: .*damaged.*Get the file again"):
            read_state_dict(tmp_path / name)


def test_layouts_that_pytorch_does_not_write_are_refused(archive: Path, tmp_path: Path) -> None:
    target = tmp_path / "new.pt"
    for change, message in [
        (lambda n, b: b"big" if n.endswith("byteorder") else b, "not little-endian"),
        (lambda n, b: None if n.endswith("/data.pkl") else b, "has no data.pkl"),
        (lambda n, b: b + b"0" if n.endswith("data/0") else b, "data/0 has .* more than"),
        (lambda n, b: b[:-1] if n.endswith("data/0") else b, "data/0 has .* expected"),
    ]:
        with pytest.raises(TorchScriptArchiveError, match=message):
            read_torchscript_tensors(rewrite(archive, target, change))
    with pytest.raises(TorchScriptArchiveError, match="compressed or encrypted"):
        read_torchscript_tensors(
            rewrite(archive, target, lambda n, b: b, compression=zipfile.ZIP_DEFLATED)
        )
    with zipfile.ZipFile(archive, "a") as opened, pytest.warns(UserWarning, match="Duplicate"):
        opened.writestr("tree/data/0", b"")
    with pytest.raises(TorchScriptArchiveError, match="names occur twice"):
        read_torchscript_tensors(archive)


@pytest.mark.parametrize("kind", ["torchscript", "state_dict", "safetensors"])
def test_random_damage_raises_nothing_but_the_error_for_it(
    kind: str, archive: Path, tmp_path: Path
) -> None:
    state = {name: value.contiguous().clone() for name, value in Tree().state_dict().items()}
    if kind == "state_dict":
        torch.save(state, archive)
    elif kind == "safetensors":
        save_file(state, archive)
    whole, generator, refused = archive.read_bytes(), random.Random(0), 0
    for _ in range(200):
        damaged = bytearray(whole)
        start = generator.randrange(len(damaged))
        damaged[start : start + generator.randrange(4)] = generator.randbytes(
            generator.randrange(4)
        )
        (tmp_path / "damaged.pt").write_bytes(damaged)
        try:
            read_state_dict(tmp_path / "damaged.pt")
        except WeightsError:
            refused += 1
    assert refused > 100
