"""A stage that is found done keeps the seconds that it took."""

from pathlib import Path

from pyoco_eval.protocol_run.stages import Stages


def test_seconds_of_an_earlier_start_are_kept(tmp_path: Path, monkeypatch) -> None:
    clock = iter([0.0, 12.5, 100.0, 200.0])
    monkeypatch.setattr("pyoco_eval.protocol_run.stages.time.perf_counter", lambda: next(clock))
    met = []
    for _ in range(2):
        stages = Stages(tmp_path, met.append)
        assert stages.run("score", "a", {"x": 1}, lambda: {"value": 3}) == {"value": 3}
    assert [(record.seconds, record.reused) for record in met] == [(12.5, False), (12.5, True)]
