"""What the measurement of a row reads, and which options it takes."""

from dataclasses import dataclass

from encoder_compression.study.inputs import Step
from encoder_compression.study.twins import timed_as

OF_SINGLE_CALLS = ("calls", "launches", "rounds", "version", "warmup_calls")  # of the section "measure"


@dataclass(frozen=True)
class Row(Step):
    """A variant on a device, for a seed: what its measurement reads."""

    device: str

    @property
    def artifact(self) -> str:
        """The artifact that the device's runtime reads."""
        return self.study.folder(self.chain, self.seed, self.study.form(self.device))

    @property
    def partner(self) -> tuple[str, str] | None:
        """Variant and device of the row's partner; None for the baseline."""
        return self.study.partner(self.chain, self.device)

    @property
    def partner_artifact(self) -> str | list:
        """The artifact of the row's partner."""
        return self.study.folder(self.partner[0], self.seed, self.study.form(self.partner[1])) if self.partner else []

    @property
    def partner_dataset(self) -> str | list:
        """The data set that the row's partner reads."""
        return self.study.dataset(self.partner[0], self.seed) if self.partner else []

    @property
    def timed_as(self) -> str | list:
        """The measurement of the row whose times this one can take over; nothing where it is to be timed itself."""
        variant = timed_as(self.study, self.chain, self.device)
        return f"{self.study.folder(variant, self.seed, self.device)}/measurement.json" if variant else []

    @property
    def measure_options(self) -> dict:
        """How to measure, on which device, and on which device the partner runs."""
        devices = self.study.options["devices"]
        measure = self.study.options["measure"] | {"metric": self.study.options["metric"]}
        recall = self.study.options.get("gate", {}).get("recall")
        if recall:  # the limit itself is a matter of the tables
            measure = measure | {"recall": {"label": str(recall["label"]), "false_positive_rate": recall["false_positive_rate"]}}
        if self.seed != self.study.options["seeds"][0]:  # the grid is a matter of shapes, which all seeds share
            measure = measure | {"grid": measure["grid"] | {"batch_sizes": []}}
        return {
            "measure": measure,
            "device": devices[self.device],
            "partner_device": devices[self.partner[1]] if self.partner else None,
        }

    @property
    def profile_options(self) -> dict:
        """How many calls to profile, and on which device."""
        measure = self.study.options["measure"]
        return {"device": self.study.options["devices"][self.device], "options": {name: measure[name] for name in OF_SINGLE_CALLS}}

    @property
    def screening_options(self) -> dict:
        """How many calls to time on which device, in which batches memory is looked at, and the metric of the predictions."""
        more = {"throughput": self.study.options["measure"]["throughput"], "metric": self.study.options["metric"]}
        return self.profile_options | {"options": self.profile_options["options"] | more}

    @property
    def structure_times_options(self) -> dict:
        """How to time structures on the device, and how to write graphs where its runtime reads them."""
        measure = self.study.options["measure"]
        return {
            "device": self.study.options["devices"][self.device],
            "export": self.study.options["export"] if self.study.form(self.device) != "model" else None,
            "measure": {name: measure[name] for name in OF_SINGLE_CALLS},
        }
