"""The studies of a run as rules ask them: functions of a rule's wildcards."""

from collections.abc import Callable

from encoder_compression.study.chain import Chain
from encoder_compression.study.fitted import Fitted
from encoder_compression.study.inputs import Experiment, Search, Step
from encoder_compression.study.row_inputs import Row
from encoder_compression.study.study import Study


class Inputs:
    """The studies of a run as rules ask them: each method takes the name of a property and returns a function of wildcards."""

    def __init__(self, studies: dict[str, Study]):
        self.studies = studies

    @property
    def reported(self) -> list[str]:
        """The experiments whose tables the run is asked for."""
        return [name for name, study in self.studies.items() if study.options["reported"]]

    @property
    def delivered(self) -> list[str]:
        """The reported experiments that have a contract, and so a delivery."""
        return [name for name in self.reported if self.studies[name].options.get("contract")]

    def section(self, name: str) -> Callable:
        """Return a function that gives a section of the experiment's options."""
        return lambda wildcards: self.studies[wildcards.experiment].options[name]

    def of_experiment(self, name: str) -> Callable:
        """Return a function that gives a property of the `Experiment`."""
        return lambda wildcards: getattr(Experiment(self.studies, wildcards.experiment), name)

    def of_step(self, name: str) -> Callable:
        """Return a function that gives a property of the `Step`: the variant's last one, for the seed."""
        return lambda wildcards: getattr(Step(self.studies, wildcards.experiment, Chain(wildcards.variant), int(wildcards.seed)), name)

    def of_row(self, name: str) -> Callable:
        """Return a function that gives a property of the `Row`: the variant on the device, for the seed."""
        return lambda wildcards: getattr(
            Row(self.studies, wildcards.experiment, Chain(wildcards.variant), int(wildcards.seed), wildcards.device),
            name,
        )

    def of_search(self, name: str) -> Callable:
        """Return a function that gives a property of the `Search` of the step."""
        return lambda wildcards: getattr(Search(self.studies, wildcards.experiment, wildcards.step), name)

    def of_searched_step(self, name: str) -> Callable:
        """Return a function that gives a property of the `Step` that the trials of a search train."""
        return lambda wildcards: getattr(Search(self.studies, wildcards.experiment, wildcards.step).trained, name)

    def of_fitted(self, name: str) -> Callable:
        """Return a function that gives a property of the `Fitted` soft targets of a step."""
        return lambda wildcards: getattr(Fitted(self.studies, wildcards.experiment, wildcards.student, wildcards.targets), name)

    def targets_of_every_seed(self, wildcards) -> list[str]:
        """Return the logits that the variant's models of all seeds gave."""
        study = self.studies[wildcards.experiment]
        return [study.folder(wildcards.variant, seed, wildcards.targets) for seed in study.options["seeds"]]
