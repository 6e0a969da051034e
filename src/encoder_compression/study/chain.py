"""Chains of steps, as paths and configs write them: ``teacher+even3+int8``."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

CONTROL = "-control"


class Chain(str):
    """The names of steps joined by "+"; a text like any other, with its parts."""

    __slots__ = ()

    @classmethod
    def of(cls, steps: Iterable[str]) -> "Chain":
        """Return the chain of the steps; ``""`` of none."""
        return cls("+".join(steps))

    @property
    def steps(self) -> tuple[str, ...]:
        """Return the names of the steps, the first one first; none of ``""``."""
        return tuple(self.split("+")) if self else ()

    @property
    def first(self) -> str:
        """Return the name of the first step."""
        return self.steps[0]

    @property
    def last(self) -> str:
        """Return the name of the last step."""
        return self.steps[-1]

    @property
    def parent(self) -> "Chain":
        """Return the chain without its last step; ``""`` where that was the only one."""
        return Chain.of(self.steps[:-1])

    @property
    def prefixes(self) -> list["Chain"]:
        """Return every chain up to this one, the shortest first: ``["teacher", "teacher+even3"]``."""
        return [Chain.of(self.steps[: count + 1]) for count in range(len(self.steps))]

    @property
    def has_control(self) -> bool:
        """Whether any of its steps is the control of another one."""
        return any(map(is_control, self.steps))

    def up_to(self, step: str) -> "Chain":
        """Return the chain that ends with the step; ValueError where there is no such step."""
        return Chain.of(self.steps[: self.steps.index(step) + 1])

    def then(self, step: str) -> "Chain":
        """Return the chain with a step more."""
        return Chain.of([*self.steps, step])

    def folder(self, experiment: str, seed: int, part: str) -> str:
        """Return where an artifact of the chain (model, onnx, openvino, soft_targets) or its results on a device lie."""
        return f"results/{experiment}/{self}/seed{seed}/{part}"


@dataclass(frozen=True)
class Place:
    """What the path of an artifact says about it."""

    chain: Chain
    seed: int
    part: str


def place_of(folder: Path) -> Place:
    """Return what the path of an artifact says, the counterpart of `Chain.folder`."""
    chain, seed, part = Path(folder).parts[-3:]
    return Place(Chain(chain), int(seed.removeprefix("seed")), part)


def is_control(step: str) -> bool:
    """Say whether a step is the control of another one."""
    return step.endswith(CONTROL)


def control_name(step: str) -> str:
    """Return what the control of a step is called."""
    return step + CONTROL


def controlled(step: str) -> str:
    """Return the step that a control belongs to; any other step itself."""
    return step.removesuffix(CONTROL)
