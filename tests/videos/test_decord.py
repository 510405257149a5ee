"""The optional decord backend."""

import builtins
import sys

import pytest
from encoded_clips import encode, number_of

from pyoco_eval.errors import MissingError, VideoError
from pyoco_eval.videos.readers.choose import decoder_label
from pyoco_eval.videos.source import open_source
from pyoco_eval.videos.video import EndOfVideoError


def test_missing_package_says_how_to_get_it(tmp_path, monkeypatch):
    real_import = builtins.__import__

    def without_decord(name, *args, **kwargs):
        if name.partition(".")[0] == "decord":
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "decord", raising=False)
    monkeypatch.setattr(builtins, "__import__", without_decord)
    encode(tmp_path / "a.mp4")
    with pytest.raises(MissingError, match=r"pip install 'pyoco-eval\[decord\]'") as caught:
        open_source(tmp_path, decoder="decord")
    assert caught.value.exit_code == 3


class TestWithDecord:
    @pytest.fixture(autouse=True)
    def decord(self):
        return pytest.importorskip("decord")

    def test_frames_and_counts(self, tmp_path):
        encode(tmp_path / "a.mp4", num_frames=70, options={"bf": "2"})
        source = open_source(tmp_path, decoder="decord")
        (video,) = source
        assert video.count_frames() == 70
        assert [number_of(f) for f in video.read([69, 0, 5])] == [69, 0, 5]
        with pytest.raises(EndOfVideoError, match="has 70 frames"):
            video.read([70])
        assert source.decoder_label() == decoder_label("decord")
        assert decoder_label("decord").startswith("decord-0.")

    def test_broken_clip_neither_hangs_nor_repeats_frames(self, shared_data):
        (video,) = open_source(shared_data / "videos" / "decord_corrupted.mp4", decoder="decord")
        with pytest.raises(VideoError, match="breaks after 28"):
            video.count_frames()
        with pytest.raises(VideoError, match="breaks after 28"):
            video.read([40])

    def test_what_decord_cannot_open(self, shared_data):
        (video,) = open_source(shared_data / "videos" / "tc_av1_video.mkv", decoder="decord")
        with pytest.raises(VideoError, match="decord cannot decode it"):
            video.read([0])
