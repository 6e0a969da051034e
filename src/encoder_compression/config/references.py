"""What an experiment takes from another one: its encoder, the start of a student, or a language model that replaces words."""

from collections.abc import Callable

from encoder_compression.errors import UserError


def of(options: dict) -> list[dict]:
    """Return the variants of other experiments that an experiment's options name, each with "experiment", "variant" and "seed"."""
    encoder = [options["encoder"]["variant"]] if "variant" in options["encoder"] else []
    language_model = [options["unlabelled"]["replaced"]["model"]] if replaces_words(options) else []
    return encoder + language_model + [own["start"] for own in options["distill"].values() if isinstance(own["start"], dict)]


def replaces_words(options: dict) -> bool:
    """Say whether an experiment's texts without labels are those of train with words replaced."""
    return "replaced" in options.get("unlabelled", {})


def follow(names: list[str], load: Callable[[str, str], dict]) -> dict[str, dict]:
    """Return the options of experiments and of all that they refer to, at any depth.

    ``load`` takes the name of an experiment and of the file that names it. UserError where experiments refer to each other in
    a circle.
    """
    found: dict[str, dict] = {}
    for name in names:
        _follow(name, [], found, load)
    return found


def _follow(name: str, path: list[str], found: dict[str, dict], load: Callable[[str, str], dict]) -> None:
    if name in path:
        circle = " -> ".join([*path[path.index(name) :], name])
        raise UserError(f"{path[-1]}.yaml: experiments refer to each other in a circle, {circle}; take the encoder or start elsewhere")
    if name in found:
        return
    found[name] = load(name, f"{path[-1]}.yaml" if path else "config.yaml")
    for other in of(found[name]):
        _follow(other["experiment"], [*path, name], found, load)
