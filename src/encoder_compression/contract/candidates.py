"""The chains that a contract chooses from: fewer heads and neurons, fewer layers, a smaller vocabulary, 8 bits."""

from encoder_compression.study.chain import Chain

TEACHER = "teacher"
OF_RUNTIME = {"pytorch": None, "onnxruntime": "int8", "openvino": "openvino8"}  # the step that puts weights into 8 bits
QUANTIZE = {"int8": {}, "openvino8": {"method": "openvino"}}


def students(depth: int) -> list[int]:
    """Return the numbers of layers that students of a teacher of ``depth`` layers keep: half and a third of them."""
    return sorted({keep for keep in (depth // 2, depth // 3) if 0 < keep < depth}, reverse=True)


def chains(depth: int, *, runtime: str, has_words: bool, can_shrink: bool) -> list[Chain]:
    """Return the chains for a runtime, those that give up least first; the baseline is the first one.

    ``can_shrink`` says whether heads and neurons of the encoder can be cut.
    """
    quantized, words = [OF_RUNTIME[runtime]] if OF_RUNTIME[runtime] else [], ["words"] if has_words else []
    widths = [["width30"], ["width50"], words, ["width50", *words]] if can_shrink else [words]
    narrower = ["narrower30", *words] if can_shrink else words
    cuts = [[], *widths, *([f"layers{keep}", *behind] for keep in students(depth) for behind in ([], narrower))]
    return list(dict.fromkeys([Chain(TEACHER), *(Chain.of([TEACHER, *cut, *quantized]) for cut in cuts)]))


def steps(depth: int, *, runtime: str, vocabulary: int | None, training: dict) -> dict[str, dict]:
    """Return the sections of an experiment with the steps of `chains`, by technique; ``vocabulary`` is that of ``words``, if it has it.

    What is cut out of the whole teacher is fitted by least squares, without training; a student trains twice as long as its teacher.
    """
    untaught = {"control": False, "gate": 0}
    untrained = untaught | {"training": {"epochs": 0}}
    longer = untaught | {"training": training | {"epochs": 2 * training["epochs"]}}
    quantized, kept = OF_RUNTIME[runtime], students(depth)
    narrower = {"narrower30": {"remove": 0.3, **untaught, "training": training | {"epochs": 1}}} if kept else {}
    return {
        "distill": {f"layers{keep}": {"layers": "spread", "keep": keep, **longer} for keep in kept},
        "shrink": {f"width{share}": {"remove": share / 100, **untrained} for share in (30, 50)} | narrower,
        "trim": {"words": {"vocabulary": vocabulary}} if vocabulary else {},
        "quantize": {quantized: QUANTIZE[quantized]} if quantized else {},
    }
