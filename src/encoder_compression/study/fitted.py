"""Soft targets that come from another experiment or from files, and are fitted to the rows that a student reads."""

from dataclasses import dataclass

from encoder_compression.study import teachers
from encoder_compression.study.chain import is_control
from encoder_compression.study.study import Study
from encoder_compression.study.techniques import TECHNIQUES


def steps_taught_elsewhere(study: Study) -> list[str]:
    """Return the steps of a study whose soft targets come from another experiment or from files, controls left out."""
    steps = [(name, step) for name, technique in TECHNIQUES.items() if technique.elsewhere for step in study.options[name]]
    return [step for name, step in steps if not is_control(step) and not teachers.in_chain(study.options[name][step])]


@dataclass(frozen=True)
class Fitted:
    """The soft targets of an experiment's ``step``: a property gives a path, or ``[]`` where there is nothing to read.

    ``form`` is "soft_targets", those on train, or "unlabelled_targets".
    """

    studies: dict[str, Study]
    name: str
    step: str
    form: str

    @property
    def step_options(self) -> dict:
        """The options of the step."""
        return self.studies[self.name].step_options(self.step)

    @property
    def options(self) -> dict:
        """How to read the files, where the soft targets are those of files, and whether the student reads unlabeled texts."""
        given = self.step_options.get("soft_targets")
        return given | {"unlabelled": self.step_options["unlabelled"]} if given else {}

    @property
    def reads(self) -> dict[str, str | list]:
        """What the rule reads beside the data set, by the names of its inputs."""
        reference, rows = teachers.reference(self.step_options), self._rows(self.name)
        if not reference:
            return {"logits": [], "read": [], "labels": [], "files": sorted(self.options["files"].values()), "rows": rows}
        source = reference["experiment"]
        labels = f"results/{source}/dataset"
        return {"logits": self._logits(reference), "read": self._rows(source), "labels": labels, "files": [], "rows": rows}

    def _logits(self, reference: dict) -> str:
        """Return the logits of the other experiment's model, or their means over all seeds."""
        if self.step_options["ensemble"]:
            return f"results/{reference['experiment']}/{reference['variant']}/{self.form}"
        return self.studies[reference["experiment"]].folder(reference["variant"], reference["seed"], self.form)

    def _rows(self, experiment: str) -> str:
        """Return the rows of an experiment that the logits of this form are of."""
        return f"results/{experiment}/{'dataset' if self.form == 'soft_targets' else 'unlabelled'}"
