"""What an experiment takes from another one: its encoder, the start of a student, or a language model that replaces words."""

from collections.abc import Callable

from encoder_compression.errors import UserError


def of(options: dict) -> list[dict]:
    """Return the variants of other experiments that an experiment's options name, each with "experiment", "variant" and "seed"."""
    return list(_by_place(options).values())


def _by_place(options: dict) -> dict[tuple[str, ...], dict]:
    """Return the variants of other experiments by the place of the options that names them."""
    starts = {("distill", step, "start"): part["start"] for step, part in options["distill"].items() if isinstance(part["start"], dict)}
    encoder = {("encoder", "variant"): options["encoder"]["variant"]} if "variant" in options["encoder"] else {}
    model = {("unlabelled", "replaced", "model"): options["unlabelled"]["replaced"]["model"]} if replaces_words(options) else {}
    return encoder | model | starts


def replaces_words(options: dict) -> bool:
    """Say whether an experiment's texts without labels are those of train with words replaced."""
    return "replaced" in options.get("unlabelled", {})


def follow(names: list[str], load: Callable[[str, str], dict], where: Callable[[str | None, tuple[str, ...]], str]) -> dict[str, dict]:
    """Return the options of experiments and of all that they refer to, at any depth.

    ``load`` takes the name of an experiment and where it is named; ``where`` tells this of a place of an experiment's options, or with
    None of those of the run. UserError where experiments refer to each other in a circle.
    """
    experiments: dict[str, dict] = {}
    for index, name in enumerate(names):
        _follow(name, where(None, ("experiments", str(index))), [], experiments, load, where)
    return experiments


def _follow(name: str, asker: str, path: list[str], experiments: dict[str, dict], load: Callable, where: Callable) -> None:
    if name in path:
        circle = " -> ".join([*path[path.index(name) :], name])
        raise UserError(f"{asker}: experiments refer to each other in a circle, {circle}; take the encoder or start elsewhere")
    if name in experiments:
        return
    experiments[name] = load(name, asker)
    for place, reference in _by_place(experiments[name]).items():
        _follow(reference["experiment"], where(name, (*place, "experiment")), [*path, name], experiments, load, where)
