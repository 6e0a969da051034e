"""Pictures of trainings: all variants over each other, and the terms of each loss in a panel per training."""

import math
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib import pyplot as plt

from encoder_compression.reporting import curves, picture
from encoder_compression.study.chain import place_of

MEASURES = {
    "loss": "training loss (own weighted terms)",
    "eval_loss": "validation loss (labels alone)",
    "eval_score": "validation score",
}
TERMS = {
    "loss": "training loss, sum of its weighted terms",
    "loss_hard": "hard: labels",
    "loss_soft": "soft: teacher's logits",
    "loss_hidden": "hidden: hidden states",
    "loss_relation": "relation: relations of tokens",
    "eval_loss": "validation loss, labels alone",
}
COLUMNS = 4  # panels side by side
NAMES_WIDTH = 150  # characters of a legend's names in a row


@dataclass(frozen=True)
class Training:
    """A training's curve, and what it is called: its variant, for a model of another experiment behind that one's name."""

    name: str
    seed: int
    curve: pd.DataFrame


def plot_trainings(*, models: list[Path], pretrained: list[Path], folder: Path) -> None:
    """Draw training and validation loss and validation score of ``models`` over each other, in ``folder``/training.

    Draw the terms of each loss in training_terms, a panel per variant; those of ``pretrained``, from which some start, come first.
    """
    trainings = [_read(model, prefix="") for model in models]
    _plot_over_each_other(_with_epochs(trainings), Path(folder) / "training")
    before = [_read(model, prefix=f"{Path(model).parts[-4]}: ") for model in pretrained]
    if with_terms := [*_with_epochs(before), *_with_epochs(trainings)]:
        _plot_terms(with_terms, Path(folder) / "training_terms")


def _read(model: Path, prefix: str) -> Training:
    place = place_of(model)
    return Training(prefix + place.chain, place.seed, curves.read(model))


def _with_epochs(trainings: list[Training]) -> list[Training]:
    """Return the trainings that had a step, by name and seed; a model that was only validated has no curve."""
    trained = [training for training in trainings if training.curve["loss"].notna().any()]
    return sorted(trained, key=lambda training: (training.name, training.seed))


def _plot_over_each_other(trainings: list[Training], path: Path) -> None:
    """Draw a panel per measure: a colour and dash per variant, a line per seed, one legend below."""
    names = list(dict.fromkeys(training.name for training in trainings))
    columns = max(1, NAMES_WIDTH // (max(map(len, names), default=0) + 8))
    figure, panels = plt.subplots(1, len(MEASURES), figsize=(13, 4.2 + 0.2 * math.ceil(len(names) / columns)), layout="constrained")
    for axes, (column, label) in zip(panels, MEASURES.items(), strict=True):
        for training in trainings:
            _draw(axes, training.curve, column, label=training.name, **picture.line_style(names.index(training.name)))
        _label(axes, label)
    _legend(figure, panels[0], columns=columns)
    picture.save(figure, path)


def _plot_terms(trainings: list[Training], path: Path) -> None:
    """Draw a panel per variant with the terms of its loss and the loss on validation, the later seeds fainter."""
    names = list(dict.fromkeys(training.name for training in trainings))
    columns = min(COLUMNS, len(names))
    rows = math.ceil(len(names) / columns)
    figure, panels = plt.subplots(rows, columns, figsize=(3.4 * columns + 1, 2.7 * rows + 0.6), layout="constrained", squeeze=False)
    for axes, name in zip(panels.flat, names, strict=False):
        of_variant = [training for training in trainings if training.name == name]
        for training in of_variant:
            _draw_terms(axes, training.curve, alpha=1.0 if training is of_variant[0] else 0.35)
        _label(axes, "loss")
        axes.set_title("\n+".join(name.split("+")), fontsize=9)
    for axes in panels.flat[len(names) :]:
        axes.set_visible(False)
    _legend(figure, *panels.flat, columns=3 if columns > 2 else 1)
    picture.save(figure, path)


def _draw_terms(axes, curve: pd.DataFrame, alpha: float) -> None:
    """Draw what the loss is made of, on a logarithmic axis, since terms differ by orders of magnitude; a single term is the loss itself."""
    known = [term for term in TERMS if curve[term].notna().any()]
    apart = known if len(known) > len(("loss", "the term", "eval_loss")) else [term for term in known if term in MEASURES]
    for term in apart:
        _draw(axes, curve, term, label=TERMS[term], alpha=alpha, **picture.line_style(list(TERMS).index(term)))
    axes.set_yscale("log" if apart == known else "linear")


def _draw(axes, curve: pd.DataFrame, column: str, **style) -> None:
    known = curve.dropna(subset=[column])
    markers = {"marker": "o", "markersize": 3} if len(known) < 12 else {}
    axes.plot(known["epoch"], known[column], **markers, **style)


def _label(axes, label: str) -> None:
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlim(left=0)
    axes.grid(color="0.92")
    axes.set(xlabel="epoch", ylabel=label)


def _legend(figure, *panels, columns: int) -> None:
    """Write an entry per label of the panels, below them, with the first of its lines."""
    drawn = [pair for axes in panels for pair in zip(*axes.get_legend_handles_labels(), strict=True)]
    entries = {label: line for line, label in reversed(drawn)}
    entries = {label: entries[label] for label in dict.fromkeys(label for _, label in drawn)}
    if entries:
        figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=columns, fontsize=9)
