"""What steps have in common that change a trained model and train it on, towards labels and their teacher."""

from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.teaching import distillation
from encoder_compression.training import artifacts
from encoder_compression.training.ramp import Ramp
from encoder_compression.training.train import Goal


@dataclass(frozen=True)
class Retraining:
    """The inputs, options and outputs of such a step; call `begin`, `train`, `publish` and `end` in this order."""

    parent: Path
    teacher: Path
    soft_targets: Path | None
    goal: Goal
    options: dict
    model: Path
    curve: Path

    @property
    def checkpoints(self) -> Path:
        """The folder beside ``model`` for what the job needs to resume."""
        return artifacts.checkpoints_of(self.model)

    def begin(self, *inputs: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """Return the parent's model and tokenizer, with the checkpoints claimed for these and further ``inputs``.

        Raises UserError where the teacher does not reach the step's gate.
        """
        distillation.require_gate(self.teacher, self.options["gate"])
        read = [self.parent, self.teacher, self.goal.dataset, *inputs]
        artifacts.claim_checkpoints(self.model, options=self.options, seed=self.goal.seed, inputs=read)
        tokenizer = encoder_facts.load_tokenizer(self.parent)
        return pretrained.load_model(self.parent), tokenizer

    def train(self, network: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, ramp: Ramp | None) -> tuple[list[dict], dict]:
        """Train a model that has the layers of ``parent``, as `distillation.learn`; return its curve and facts."""
        return distillation.learn(
            network,
            teacher=self.teacher,
            soft_targets=self.soft_targets,
            further=None,
            layer_map=distillation.layer_map(self.parent, self.teacher),
            tokenizer=tokenizer,
            goal=self.goal,
            options=self.options,
            checkpoints=self.checkpoints,
            ramp=ramp,
        )

    def publish(self, network: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
        """Save the trained model to ``model`` and return it reloaded, as `artifacts.publish`."""
        return artifacts.publish(network, tokenizer, self.model, dataset=self.goal.dataset)

    def end(self, history: list[dict]) -> None:
        """Write the training's curve to ``curve`` and remove the checkpoints."""
        artifacts.write_curve(history, self.curve)
        artifacts.drop_checkpoints(self.checkpoints)
