"""The chains that a search chooses from: fewer heads and neurons, fewer layers, a smaller vocabulary, 8 bits, no attention at all."""

from dataclasses import dataclass

from encoder_compression.study.chain import Chain

TEACHER = "teacher"
STATIC, DIMENSIONS = "static", 64  # as large as an encoder allows
OF_RUNTIME = {"pytorch": None, "onnxruntime": "int8", "openvino": "openvino8"}  # the step that puts weights into 8 bits
QUANTIZE = {"int8": {}, "openvino8": {"method": "openvino"}}
SHARES = (30, 50)  # percent of the multiplications in attention and feed-forward layers that are cut
SHAPE, SHORT = "_shape", "_short"  # a step's name with it: the step trained not at all, or for one epoch


@dataclass(frozen=True)
class Student:
    """A chain to train, and two that tell of it before: ``shape`` has its size and speed, ``short`` trains for one epoch."""

    chain: Chain
    shape: Chain
    short: Chain


@dataclass(frozen=True)
class Space:
    """The chains that an encoder and a data set allow on a runtime.

    ``vocabulary`` is what the training texts need, None where all is kept; ``training`` is how the teacher is trained, or would be.
    """

    depth: int
    hidden_size: int
    runtime: str
    vocabulary: int | None
    can_shrink: bool
    can_be_static: bool
    training: dict

    @property
    def epochs(self) -> int:
        """How long students train: twice as long as the teacher."""
        return 2 * self.training["epochs"]

    @property
    def quantized(self) -> list[str]:
        """The step into 8 bits, if the runtime has one."""
        return [OF_RUNTIME[self.runtime]] if OF_RUNTIME[self.runtime] else []

    @property
    def words(self) -> list[str]:
        """The step that cuts the vocabulary, if that saves anything."""
        return ["words"] if self.vocabulary else []

    @property
    def depths(self) -> list[int]:
        """The numbers of layers that students keep: two thirds, half and a third of the teacher's."""
        return sorted({keep for keep in (2 * self.depth // 3, self.depth // 2, self.depth // 3) if 0 < keep < self.depth}, reverse=True)

    def whole(self) -> list[Chain]:
        """Return the teacher, and the teacher in 8 bits."""
        return list(dict.fromkeys([Chain(TEACHER), Chain.of([TEACHER, *self.quantized])]))

    def untrained(self) -> list[Chain]:
        """Return chains that need no training or next to none: cuts of the teacher that are fitted by least squares, and the floor."""
        widths = [[f"width{share}"] for share in SHARES] if self.can_shrink else []
        cuts = [self.words, *(cut for width in widths for cut in (width, [*width, *self.words]))]
        static = [[STATIC, *self.words]] if self.can_be_static else []
        chains = [Chain.of([TEACHER, *cut, *self.quantized]) for cut in [*cuts, *static] if cut]
        return list(dict.fromkeys(chains))

    def students(self) -> list[Student]:
        """Return the students, those of most layers and most heads first."""
        narrower = [[], *([f"narrower{share}"] for share in SHARES)] if self.can_shrink else [[]]
        return [self._student(f"layers{keep}", width) for keep in self.depths for width in narrower]

    def _student(self, layers: str, width: list[str]) -> Student:
        behind = [*self.words, *self.quantized]
        return Student(
            chain=Chain.of([TEACHER, layers, *width, *behind]),
            shape=Chain.of([TEACHER, layers + SHAPE, *(step + SHAPE for step in width), *behind]),
            short=Chain.of([TEACHER, layers + SHORT, *behind]),
        )

    def steps(self) -> dict[str, dict]:
        """Return the sections of an experiment with the steps of all chains, by technique.

        A student trains for one epoch more after heads and neurons are cut.
        """
        untaught = {"control": False, "gate": 0}
        trained = {epochs: untaught | {"training": self.training | {"epochs": epochs}} for epochs in (0, 1, self.epochs)}
        epochs_of = {"": self.epochs, SHORT: 1, SHAPE: 0}
        distill = {
            f"layers{keep}{end}": {"layers": "spread", "keep": keep, **trained[epochs]}
            for end, epochs in epochs_of.items()
            for keep in self.depths
        }
        widths = {"width": 0, "narrower": 1} if self.can_shrink else {}
        shrink = {f"{name}{share}": {"remove": share / 100, **trained[epochs]} for name, epochs in widths.items() for share in SHARES}
        shapes = {f"{name}{SHAPE}": options | trained[0] for name, options in shrink.items() if name.startswith("narrower")}
        return {
            "distill": distill,
            "shrink": shrink | shapes,
            "static": {STATIC: untaught | {"dimensions": min(DIMENSIONS, self.hidden_size)}} if self.can_be_static else {},
            "trim": {"words": {"vocabulary": self.vocabulary}} if self.vocabulary else {},
            "quantize": {step: QUANTIZE[step] for step in self.quantized},
        }
