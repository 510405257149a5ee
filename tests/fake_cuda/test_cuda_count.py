"""Every file that names a device is run on the device that is not there, or says why not."""

import ast
import re
from pathlib import Path
from typing import Final

import pytest

import pyoco_eval

PACKAGE: Final = Path(pyoco_eval.__file__).parent
HERE: Final = Path(__file__).parent
TOUCHES: Final = re.compile(
    r"\.to\([^)]*device|\bdevice=|\.cuda\(|torch\.device\(|pin_memory|non_blocking|autocast\("
)

SHOWN: Final = {
    "test_cuda_features": {
        "test_features": (
            "features/base", "features/c3d/extractor", "features/clip/extractor",
            "features/i3d/extractor", "features/inception/extractor",
            "features/layers/exact_inference", "features/layers/winograd_conv3d",
            "features/tiny/extractor",
        ),
        "test_programs": ("features/c3d/torchscript", "features/i3d/torchscript"),
        "test_texts_of_tinyclip": ("features/clip/text",),
    },
    "test_cuda_feed": {
        "test_a_pass": ("extraction/feeding/feed", "extraction/feeding/transfers"),
        "test_resizes": ("videos/resize", "videos/resize_device"),
    },
    "test_cuda_devices": {
        "test_processes_of_a_launcher_have_a_gpu_each": ("devices",),
        "test_training_is_where_the_config_says": ("training/hardware_device",),
    },
    "test_cuda_networks": {
        "test_forwards_and_backwards": (
            "models/conditioning", "models/frame_context", "models/group_norm",
            "models/known_frames",
            "models/temporal", "diffusion/denoiser", "diffusion/precondition",
        ),
        "test_a_few_frames_at_a_time": ("models/frame_parts",),
        "test_experts": ("diffusion/experts",),
    },
    "test_cuda_generation": {
        "test_samplers": ("diffusion/samplers/state", "priors/base", "models/layers"),
        "test_levels_of_frames": ("diffusion/samplers/frame_levels", "priors/drawing"),
        "test_own_checkpoints": (
            "generation/checkpoint", "generation/model_sampler", "generation/open_sampler",
            "models/checkpoint",
            "models/building", "models/ensemble",
        ),
        "test_upsampling": ("generation/upsample_videos",),
        "test_text_encoders": (
            "models/text/clip", "models/text/encoder", "models/text/load", "models/text/shapes",
            "models/text/store", "models/text/t5",
        ),
        "test_pipelines_of_diffusers": ("generation/diffusers_pipeline",),
        "test_the_probe": (
            "probe/diffusers_model", "probe/invert", "probe/open", "probe/own_model",
            "models/text/pipeline",
        ),
        "test_the_first_stage": ("models/first_stage",),
    },
    "test_cuda_training": {
        "test_a_step": (
            "training/engine", "training/trainer", "training/conditions",
            "training/data/enlarging",
        ),
        "test_checkpoints_and_the_log": ("training/outputs/run_writer",),
        "test_validation_and_the_sheet": (
            "training/outputs/samples_sheet", "training/validation",
        ),
        "test_a_step_on_a_batch_that_was_moved_ahead": ("training/data/feeding",),
        "test_a_step_on_latents": ("training/data/latents",),
    },
}  # fmt: skip
ELSEWHERE: Final = {
    "cli/run_protocol": "hands a name on to training, sampling and scoring",
    "cli/sample": "hands a device on to the generator",
    "cli/upsample": "hands a device on to the generator",
    "doctor/libraries": "tells of devices, computes on none",
    "extraction/networks": "moves an extractor: test_a_pass does the same",
    "features/c3d/checkpoint": "reads a file to the CPU",
    "features/clip/checkpoint": "reads a file to the CPU",
    "features/i3d/checkpoint": "reads a file to the CPU",
    "features/inception/checkpoint": "reads a file to the CPU",
    "generation/cascade/plan": "counts bytes and operations on the meta device",
    "generation/cascade/run": "hands a device on: test_upsampling does the same",
    "generation/open": "hands a device on to the generator",
    "generation/request": "carries a device",
    "noise_check/pipelines": "asks a pipeline for noise on the CPU",
    "probe/inversion_pass": "computes on the CPU what test_the_probe brings there",
    "probe/run": "hands a device on to the model",
    "protocol_run/sample": "hands a device on to the generator",
    "protocol_run/score_groups": "hands a device on to the extractors",
    "selftest/networks": "numbers of a real device, see the tests marked gpu",
    "selftest/recipes": "numbers of a real device, see the tests marked gpu",
    "selftest/scores": "numbers of a real device, see the tests marked gpu",
    "training/memory": "counts bytes of a step on the meta device",
}


def test_they_are_counted() -> None:
    found = {
        path.relative_to(PACKAGE).with_suffix("").as_posix()
        for path in PACKAGE.rglob("*.py")
        if TOUCHES.search(path.read_text(encoding="utf-8"))
    }
    shown = [name for tests in SHOWN.values() for names in tests.values() for name in names]
    assert len(shown) == len(set(shown))
    assert found == {*shown, *ELSEWHERE}


@pytest.mark.parametrize("file", SHOWN)
def test_what_shows_them_is_there(file: str) -> None:
    tree = ast.parse((HERE / f"{file}.py").read_text(encoding="utf-8"))
    tests = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert SHOWN[file].keys() <= tests
