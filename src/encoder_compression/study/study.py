"""What an experiment's chains of steps mean: parents, teachers, options, rows."""

from dataclasses import dataclass

from encoder_compression.data.tasks import MASKED
from encoder_compression.errors import UserError, WrongOptions, nearest
from encoder_compression.study import order, study_mistakes, teachers
from encoder_compression.study.chain import Chain, controlled, is_control
from encoder_compression.study.controls import control_of, technique_of
from encoder_compression.study.forms import FORM_OF_RUNTIME
from encoder_compression.study.technique import Technique
from encoder_compression.study.techniques import TECHNIQUES


@dataclass(frozen=True)
class Study:
    """One experiment with its complete options, as `config.load.load_experiments` returns them."""

    name: str
    options: dict

    def __post_init__(self):
        mistakes = list(dict.fromkeys(study_mistakes.find(self)))
        if mistakes:
            raise WrongOptions(self.name, mistakes)

    def technique(self, step: str) -> Technique:
        """Return the technique that the step configures."""
        technique = technique_of(step, self.options)
        if technique is None:
            known = [name for section in TECHNIQUES for name in self.options[section]]
            raise UserError(f"{self.name}: unknown step '{step}'{nearest(step, known)}")
        return technique

    def last_technique(self, variant: str) -> Technique:
        """Return the technique of the chain's last step."""
        return self.technique(Chain(variant).last)

    def check(self, variant: str) -> None:
        """Raise UserError where the chain has an unknown step or an order that cannot work."""
        order.check(self, variant)

    def teacher(self, variant: str) -> Chain:
        """Return the chain up to the step that the taught last step names as its teacher."""
        return Chain(variant).up_to(self.step_options(variant)["teacher"])

    def is_taught(self, variant: str) -> bool:
        """Return whether the chain's last step has a teacher, wherever that is from."""
        return self.last_technique(variant).taught(self.step_options(variant))

    def is_taught_in_chain(self, variant: str) -> bool:
        """Return whether the chain's last step has a step of its chain as its teacher."""
        return self.is_taught(variant) and teachers.in_chain(self.step_options(variant))

    def soft_targets_form(self, variant: str) -> str | None:
        """Return what holds its teacher's logits, computed before, for the chain's last step; of a corpus the largest, if any are kept."""
        options = self.step_options(variant)
        if not options["loss"]["soft"]:
            return None
        if self.options["task"] != MASKED:
            return "soft_targets"
        return f"top{options['top_logits']}_logits" if "top_logits" in options else None

    def learns_from_ensemble(self, variant: str) -> bool:
        """Return whether the chain's last step reads the mean of its teachers' logits over all seeds."""
        return self.step_options(variant).get("ensemble", False)

    def targets(self, variant: str, seed: int, form: str) -> str:
        """Return where the logits lie that the chain's last step reads, in the ``form`` named, such as unlabelled_targets."""
        if not self.is_taught_in_chain(variant):
            return f"results/{self.name}/fitted/{Chain(variant).last}/{form}"
        teacher = self.teacher(variant)
        return f"results/{self.name}/{teacher}/{form}" if self.learns_from_ensemble(variant) else self.folder(teacher, seed, form)

    def step_options(self, variant: str) -> dict:
        """Return the options of the chain's last step."""
        step = Chain(variant).last
        return self.options[self.technique(step).name][step]

    def searched_step(self, variant: str) -> str | None:
        """Return the step whose search gives options to the chain's last step, which may be its control; None where there is none."""
        step = controlled(Chain(variant).last)
        return step if step in self.options["search"] else None

    def searched_chain(self, step: str) -> Chain:
        """Return the chain at whose end the step is searched."""
        return Chain(self.options["search"][step].get("parent", "")).then(step)

    def forms(self, variant: str) -> tuple[str, ...]:
        """Return the artifacts that a variant can have: weights, as they are and compressed, and graphs; once quantized one graph alone.

        A lora step also has its updates apart.
        """
        return self.last_technique(variant).forms(self.step_options(variant))

    def has_weights(self, variant: str) -> bool:
        """Return whether a variant has weights in floating point."""
        return self.last_technique(variant).in_float

    def cuts_blocks(self) -> bool:
        """Return whether a step of a variant puts weights into 4 bits that bitsandbytes cuts into blocks."""
        steps = [self.step_options(step) for variant in self.options["variants"] for step in Chain(variant).steps]
        return any(options.get("qlora") or (options.get("method"), options.get("bits")) == ("bitsandbytes", 4) for options in steps)

    def form(self, device: str) -> str:
        """Return which artifact the device reads."""
        return FORM_OF_RUNTIME[self.options["devices"][device]["runtime"]]

    def rows(self) -> list[tuple[str, int, str]]:
        """Return (variant, seed, device) for every row of the tables."""
        return [
            (variant, seed, device)
            for variant in self.options["variants"]
            for seed in self.options["seeds"]
            for device in self._devices()
            if self._has_row(variant, device)
        ]

    def _devices(self) -> list[str]:
        """Return the names of the devices, those of the baseline first."""
        return sorted(self.options["devices"], key=lambda device: self.baseline_device(device) != device)

    def _has_row(self, variant: str, device: str) -> bool:
        """A device must be able to read the variant; a control is there for its score, which one runtime can tell."""
        wanted = self.options["devices"][device]["runtime"] in self.runtimes(variant)
        told_here = not is_control(variant) or self.baseline_device(device) == device
        possible = self.options["devices"][device]["hardware"] == "cpu" or self.last_technique(variant).on_cuda
        return wanted and told_here and possible and self.form(device) in self.forms(variant)

    def runtimes(self, variant: str) -> list[str]:
        """Return what the variant is to run in."""
        return self.options["runtimes"].get(variant, list(FORM_OF_RUNTIME))

    def table_rows(self) -> list[dict]:
        """Return per row its names, the folders of its results and of those it is compared with, and its trained models.

        "chain" maps every chain up to the variant to the technique of its last step, "folder_of" to its results; "control"
        is the variant that the row is to beat, if it has one; "fitted" is the model that the last step left which fits weights.
        """
        return [self._table_row(*row) for row in self.rows()]

    def _table_row(self, variant: str, seed: int, device: str) -> dict:
        baseline = self.options["baseline"]["variant"]
        chains = Chain(variant).prefixes
        return {
            "variant": variant,
            "seed": seed,
            "device": device,
            "chain": {chain: self.last_technique(chain).name for chain in map(str, chains)},
            "folder": self.folder(variant, seed, device),
            "folder_of": {chain: self.folder(chain, seed, device) for chain in map(str, chains)},
            "control": self.control(variant),
            "baseline": self.folder(baseline, seed, self.baseline_device(device)),
            "same_runtime": self.folder(baseline, seed, device),
            "trained": self.trained(variant, seed),
            "fitted": self._fitted(variant, seed),
        }

    def profiles(self) -> list[str]:
        """Return the folder of each profile that belongs to the experiment: of the first seed, on all devices that measure the variant."""
        asked = [row for row in self.rows() if row[0] in self.options["profile"] and row[1] == self.options["seeds"][0]]
        return [f"{self.folder(*row)}/profile" for row in asked]

    def _fitted(self, variant: str, seed: int) -> str | None:
        """Return the model of the chain's last step that fits weights to data; steps behind it round them or leave some out."""
        chains = [chain for chain in Chain(variant).prefixes if self._learns(chain)]
        return self.folder(chains[-1], seed, self.forms(chains[-1])[0]) if chains else None

    def _learns(self, variant: str) -> bool:
        """Return whether the chain's last step fits anything to the data."""
        return self.last_technique(variant).learns(self.step_options(variant))

    def trained(self, variant: str, seed: int) -> list[str]:
        """Return the models that were trained for the variant: those of the chains up to it, what they average and learn from."""
        models = []
        for chain in Chain(variant).prefixes:
            averaged = self.step_options(chain).get("with", [])
            models += [(prefix, seed) for averaged_chain in averaged for prefix in Chain(averaged_chain).prefixes]
            if self.learns_from_ensemble(chain) and self.is_taught_in_chain(chain):
                models += [(prefix, each) for prefix in self.teacher(chain).prefixes for each in self.options["seeds"]]
            models += [(chain, seed)] if self.has_weights(chain) or self._learns(chain) else []
        return [self.folder(chain, each, self.forms(chain)[0]) for chain, each in dict.fromkeys(models)]

    def control(self, variant: str) -> str | None:
        """Return the variant that one is to beat; None where it has no control."""
        control = control_of(variant, self.options)
        return None if control is None else str(control)

    def artifacts(self) -> list[dict]:
        """Return every artifact behind the rows: its folder, form as in `forms`, variant, seed and steps with options.

        Only pruned variants are compressed: other weights have no zeros that would make it worth a second file.
        """
        artifacts = {}
        for variant, seed, device in self.rows():
            read = {self.form(device), "model", "adapter"}
            if "openvino" in read:
                read.add("onnx")  # which that form is made from
            made = [(str(chain), form) for chain in Chain(variant).prefixes for form in read & set(self.forms(chain))]
            for chain, form in [*made, *([(variant, "compressed")] if self._is_pruned(variant) else [])]:
                artifacts[self.folder(chain, seed, form)] = {"form": form, "variant": chain, "seed": seed, "steps": self._steps(chain)}
        return [{"folder": folder, **artifacts[folder]} for folder in sorted(artifacts)]

    def _is_pruned(self, variant: str) -> bool:
        """Return whether the last step set zeros; a control's did not."""
        return self.last_technique(variant).sparse and not is_control(variant)

    def _steps(self, variant: str) -> list[dict]:
        """Return name, technique and options of every step of the chain."""
        techniques = [(step, self.technique(step).name) for step in Chain(variant).steps]
        return [{"step": step, "technique": technique, "options": self.options[technique][step]} for step, technique in techniques]

    def folder(self, variant: str, seed: int, part: str) -> str:
        """Return where an artifact of the variant (model, onnx, openvino, soft_targets) or its results on a device lie."""
        return Chain(variant).folder(self.name, seed, part)

    def dataset(self, variant: str, seed: int) -> str:
        """Return where the data set lies that the variant reads: cut into the entries of its own vocabulary after a trim step."""
        cut = [chain for chain in Chain(variant).prefixes if self.last_technique(chain).own_dataset]
        return self.folder(cut[-1], seed, "dataset") if cut else f"results/{self.name}/dataset"

    def baseline_device(self, device: str) -> str:
        """Return the device with eager PyTorch in float32 on the same hardware, or the device itself where there is none."""
        devices = self.options["devices"]
        same = [name for name, candidate in devices.items() if _same_hardware(candidate, devices[device])]
        plain = (name for name in same if _is_plain(devices[name]))
        return next(plain, device)

    def partner(self, variant: str, device: str) -> tuple[str, str] | None:
        """Return the (variant, device) with which a row is timed in turns; the ratios multiply up to the baseline.

        A compressed variant is timed against the baseline variant in the same runtime; the baseline variant in
        another runtime against itself in PyTorch. So compression and runtime stay two factors.
        """
        baseline = self.options["baseline"]["variant"]
        if variant != baseline:
            return baseline, device
        reference = self.baseline_device(device)
        return None if reference == device else (baseline, reference)


def replaces_words(options: dict) -> bool:
    """Say whether an experiment's texts without labels are those of train with words replaced."""
    return "replaced" in options.get("unlabelled", {})


def _is_plain(device: dict) -> bool:
    return (device["runtime"], device["precision"]) == ("pytorch", "float32") and not device.get("compile")


def _same_hardware(device: dict, reference: dict) -> bool:
    return (device["hardware"], device["threads"]) == (reference["hardware"], reference["threads"])
