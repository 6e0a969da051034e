"""Rows of one device whose models differ in the values of weights alone, so that one of them can tell the time of all."""

from encoder_compression.study.chain import Chain
from encoder_compression.study.study import Study


def timed_as(study: Study, variant: str, device: str) -> str | None:
    """Return the variant of the same shapes that is measured on the device before all others; None where it is ``variant`` itself.

    The baseline comes first, then the rows in their order. Whether graphs and number formats are the same too, the files will say.
    """
    if not study.options["measure"]["shared"]:
        return None
    baseline = study.options["baseline"]["variant"]
    measured = [baseline, *(name for name, _, place in study.rows() if place == device)]
    same = next((name for name in measured if shapes(study, name) == shapes(study, variant)), variant)
    return None if same == variant else same


def shapes(study: Study, variant: str) -> list[str]:
    """Return what the steps of a chain make of the shapes of weights, without those that change values alone."""
    made = (study.last_technique(chain).shape(chain.last, study.step_options(chain)) for chain in Chain(variant).prefixes)
    return [shape for shape in made if shape is not None]
