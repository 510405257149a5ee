"""Models of arms that are given none: trained by the run, each once."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pyoco_eval.generation.cascade.training import merged, trainings, write_cascades
from pyoco_eval.processes import processes
from pyoco_eval.progress import Progress
from pyoco_eval.protocol.arms import columns_of
from pyoco_eval.protocol.schema import Protocol
from pyoco_eval.protocol.training_rule import cascade_training, training_tree
from pyoco_eval.protocol_run.run_options import RunChoices
from pyoco_eval.protocol_run.sample import model_identity
from pyoco_eval.protocol_run.stages import Outcome, Stages, digest_of, fingerprint
from pyoco_eval.protocol_run.train import train_arm
from pyoco_eval.training.config_file import config_tree


@dataclass(frozen=True)
class TrainedArms:
    """Trains what arms ask for, or finds what an earlier start trained.

    Attributes:
        protocol: of the run, with its counts.
        choices: of the run.
        stages: note what is done.
        progress: is told of steps.
    """

    protocol: Protocol
    choices: RunChoices
    stages: Stages
    progress: Progress

    def model(self, arm: str, repeat: int) -> Path:
        """The model of an arm: another for every repeat of the training, if its videos are scored.

        A model that is only started from is trained once for all.
        """
        protocol, choices = self.protocol, self.choices
        if protocol.repeats.of == "samples" or not columns_of(protocol, arm):
            repeat = 0
        assert protocol.training is not None
        if protocol.training.cascade is not None:
            folder = self._cascades(repeat)
            return folder / f"{protocol.arms[arm].training['cascade']}.yaml"
        before = protocol.arms[arm].init_from
        init = None
        if before is not None:
            source = choices.given.sources[before]
            init = source.value(repeat) if source.values else str(self.model(before, repeat))
        tree = training_tree(
            protocol, arm, out="run", repeat=repeat, init=init,
            data_root=choices.place.root, settings=choices.settings,
        )  # fmt: skip
        inputs = {
            "config": {k: v for k, v in tree.items() if k not in ("init", "hardware")},
            "init": model_identity(init) if init is not None else None,
        }
        folder = choices.out / "training" / arm / f"r{repeat}-{digest_of(inputs)[:8]}"
        tree["out"] = str(folder)
        if choices.machine.device not in ("auto", "mps"):
            tree.setdefault("hardware", {})["device"] = choices.machine.device

        def work() -> Outcome:
            train_arm(tree, f"train {arm}", self.progress)
            return {"model": model_identity(str(folder / "model"))}

        self.stages.run(
            "train", arm, inputs, work,
            lambda found: found["model"] == model_identity(str(folder / "model")),
        )  # fmt: skip
        return folder / "model"

    def _cascades(self, repeat: int) -> Path:
        """The folder of all cascades of a repeat, whose stages arms share."""
        choices, settings = self.choices, self.choices.settings
        plan = cascade_training(self.protocol, out="run", repeat=repeat, settings=settings)
        inputs = {"plan": asdict(replace(plan, out=""))}
        folder = choices.out / "training" / f"cascades-r{repeat}-{digest_of(inputs)[:8]}"
        plan = replace(plan, out=str(folder))
        device = choices.machine.device
        if device not in ("auto", "mps"):
            plan = replace(plan, shared=merged(plan.shared, {"hardware": {"device": device}}))

        def identity() -> str:
            return fingerprint(sorted(folder.glob("*.yaml")))

        def work() -> Outcome:
            for run in trainings(plan, self.protocol.name):
                train_arm(config_tree(run.config), f"train {run.name}", self.progress)
            group = processes()
            if group.is_main:
                write_cascades(plan)
            group.broadcast(b"written" if group.is_main else None)
            return {"cascades": identity()}

        self.stages.run("train", None, inputs, work, lambda found: found["cascades"] == identity())
        return folder
