"""What a step of each technique did, in words, and what to know before its artifacts are used: for model cards."""

from encoder_compression.study.forms import OF_PYTORCH


def no_limits(options: dict, form: str) -> list[str]:
    """Return nothing: a technique that limits no use."""
    return []


def finetune(options: dict, corpus: bool) -> str:
    """Describe a finetune step."""
    if options["training"].get("epochs") == 0:
        return "the encoder with the head that it came with"
    head = "its language-model head" if corpus else "a new head"
    parts = {"encoder": "the head alone ", "embeddings": "all but the table of words "}.get(options.get("freeze"), "")
    return f"the encoder with {head}, {parts}trained on the {_targets(corpus)} {_length(options['training'])}"


def lora(options: dict, corpus: bool) -> str:
    """Describe a lora step."""
    layers = options["targets"] if isinstance(options["targets"], str) else ", ".join(options["targets"])
    layers = "linear" if layers == "all" else layers
    dora = ", by length and direction (DoRA)," if options["dora"] else ""
    head = "its" if options["start"] == "finetuned" else "a new"
    frozen, added = (" in 4 bits (QLoRA)", "what those bits stand for") if options["qlora"] else ("", "the weights")
    return (
        f"updates of rank {options['rank']} for the {layers} layers of the encoder{dora} and {head} head, "
        f"{_trained(options, corpus)} with all other weights frozen{frozen}, then added to {added}"
    )


def distill(options: dict, corpus: bool) -> str:
    """Describe a distill step, or its control."""
    layers = options.get("layers", "all")
    kept = f"{_count(options['keep'], 'layer')} ({layers})" if isinstance(layers, str) else f"layers {_listed(layers)}"
    kept = "all layers" if layers == "all" else kept
    kept += f", with hidden states of {options['hidden_size']} numbers" if "hidden_size" in options else ""
    teacher = _taught(options, corpus)
    further = ", with unlabeled text" if options["unlabelled"] and teacher else ""
    learnt = teacher or " on the labels alone, without the teacher: a control"
    return f"a student that keeps {kept}, trained {_length(options['training'])}{learnt}{further}"


def static(options: dict, corpus: bool) -> str:
    """Describe a static step, or its control."""
    further = ", with unlabeled text" if options["unlabelled"] and _taught(options, corpus) else ""
    learnt = _taught(options, corpus) or " on the labels alone, without the teacher: a control"
    size = f"one embedding of {options['dimensions']} numbers for each token"
    return f"a student without attention, {size} and a linear head on their mean, trained {_length(options['training'])}{learnt}{further}"


def bag_of_words(options: dict, corpus: bool) -> str:
    """Describe a bag_of_words step."""
    longest, strengths = _listed(options["ngrams"]), _listed(options["inverse_regularization"])
    chosen = f"of n-grams of up to {longest} tokens and inverse regularizations of {strengths} validation chose"
    return f"no neural network, but TF-IDF of n-grams of tokens and a linear model, fitted to the labels by scikit-learn; {chosen}"


def average(options: dict, corpus: bool) -> str:
    """Describe an average step."""
    return f"the mean of its weights and those of {_listed(options['with'])}"


def shrink(options: dict, corpus: bool) -> str:
    """Describe a shrink step, or its control."""
    if "target" in options:
        target = options["target"]
        removed = f"so many heads and neurons taken out that it should be {target['speedup']} times as fast on “{target['device']}”"
    elif not options["remove"]:
        return _whole(options, corpus)
    else:
        removed = f"heads and neurons with {options['remove']:.0%} of the encoder's multiplications taken out"
    return removed + _recovery(options, corpus, "the rest")


def prune(options: dict, corpus: bool) -> str:
    """Describe a prune step, or its control."""
    if not options["sparsity"]:
        return _whole(options, corpus)
    zeros = f"the least important {options['sparsity']:.0%} of the weights of its {_listed(options['parts'])} set to zero"
    return f"{zeros}{' little by little' if 'ramp' in options else ''}{_recovery(options, corpus, 'the others')}"


def qat(options: dict, corpus: bool) -> str:
    """Describe a qat step, or its control."""
    rounding = "without rounding: a control"
    if options["bits"] != 32:
        rounding = f"rounded at each step as {options['bits']}-bit quantization rounds them"
    training = f"trained further {_length(options['training'])}{_taught(options, corpus)}"
    return f"all weights {training}, {rounding}"


def trim(options: dict, corpus: bool) -> str:
    """Describe a trim step."""
    return f"its vocabulary cut to {options['vocabulary']} entries: single characters and the commonest of the training data"


def quantize(options: dict, corpus: bool) -> str:
    """Describe a quantize step."""
    if options["method"] in OF_PYTORCH:
        return _of_pytorch(options)
    if options["method"] == "openvino":
        inputs = _count(options["calibration"], "input")
        return f"weights and activations as 8-bit integers, their scales fixed on {inputs} of the training data (NNCF)"
    if options["method"] == "weights":
        return f"weights of its layers as {options['bits']}-bit integers with a scale for every {options['block']} inputs"
    outliers = ", outliers of both evened out before" if options["equalize"] else ""
    return f"weights as 8-bit integers, activations quantized as they come (dynamic INT8){outliers}"


def tags_of_quantize(options: dict) -> tuple[str, ...]:
    """Return what the hub's search finds a quantized artifact by: of PyTorch's the library, as the hub's own tags have it."""
    if options["method"] in OF_PYTORCH:
        return "quantization", f"{options['bits']}-bit", options["method"]
    return "quantization", f"int{options['bits']}"


def _of_pytorch(options: dict) -> str:
    """Describe a quantize step whose model PyTorch runs."""
    if options["bits"] == 4:
        scales = ", themselves in 8 bits" if options["double"] else ""
        return f"weights of its layers as {options['type'].upper()}, 4 bits with a scale for every 64{scales} (bitsandbytes)"
    if options["method"] == "bitsandbytes":
        return f"weights of its layers and their inputs as 8-bit integers, inputs beyond {options['threshold']:g} in float (LLM.int8())"
    if options["activations"] == "int8":
        return "weights of its layers as 8-bit integers, their inputs quantized as they come (dynamic INT8 of torchao)"
    return "weights of its layers as 8-bit integers, multiplied in float (weight-only INT8 of torchao)"


def limits_of_lora(options: dict, form: str) -> list[str]:
    """Return what to know of the adapter of a lora step."""
    if form != "adapter":
        return []
    return ["The updates are of no use without the model that they belong to, in exactly its version."]


def limits_of_static(options: dict, form: str) -> list[str]:
    """Return what to know of a model that sees no order."""
    return ["The order of the words does not count: “not good, but cheap” and “not cheap, but good” are the same text to this model."]


def limits_of_bag_of_words(options: dict, form: str) -> list[str]:
    """Return what to know of a model that counts n-grams."""
    return [
        "No weight of the encoder is in it: it takes the tokenizer alone.",
        "It knows the n-grams of the training data and nothing of any other word; beyond them the order of the words does not count.",
    ]


def limits_of_trim(options: dict, form: str) -> list[str]:
    """Return what to know of a vocabulary that was cut."""
    return [
        "Words that the training data do not have are read in shorter pieces than the whole vocabulary would give: "
        "on other kinds of text it can be slower and worse."
    ]


def limits_of_prune(options: dict, form: str) -> list[str]:
    """Return what to know of zeros."""
    if form == "compressed":
        return [
            "The zeros of pruning save space in this file alone: once read they are stored and multiplied like any other weight, "
            "and save neither memory nor time."
        ]
    return [
        "The zeros of pruning are stored like any other weight and multiplied by dense kernels: by themselves they save no time, "
        "and space only where the file is compressed."
    ]


def limits_of_quantize(options: dict, form: str) -> list[str]:
    """Return what to know of scales of activations."""
    if options["method"] in OF_PYTORCH:
        return _limits_of_pytorch(options)
    slower = "on processors without integer instructions the graph can be slower than the float one."
    if options["method"] == "openvino":
        return [f"The scales of activations are those of the training data; {slower}"]
    if options["method"] == "dynamic":
        batch = "The scales of activations depend on the batch, so an answer near the border can depend on the other texts in it"
        return [f"{batch}; {slower}"]
    return []


def _limits_of_pytorch(options: dict) -> list[str]:
    limits = ["Embeddings, pooler and head are in float, and often most of the file. Removed attention heads are multiplied, as zeros."]
    if options["bits"] == 4:
        limits.append("On a processor with AVX512-BF16 bitsandbytes multiplies in bfloat16, elsewhere in the format of the inputs.")
    elif options["method"] == "torchao" and options["activations"] == "int8":
        limits.append("Without torch.compile it is slower than the float model on a processor.")
    return limits


def _whole(options: dict, corpus: bool) -> str:
    return f"the whole model, {_trained(options, corpus)}: a control"


def _recovery(options: dict, corpus: bool, what: str) -> str:
    return f", {what} {_trained(options, corpus)}" if options["training"].get("epochs") != 0 else ""


def _trained(options: dict, corpus: bool) -> str:
    return f"trained {_length(options['training'])}{_taught(options, corpus)}"


def _taught(options: dict, corpus: bool) -> str:
    """Return from what a step learns where it has a teacher, with a blank before it; nothing where labels alone teach."""
    if not any(options["loss"][term] for term in ("soft", "hidden", "relation")):
        return ""
    mean, seeds = ("the mean of ", "of each seed ") if options.get("ensemble") else ("", "")
    if "soft_targets" in options:
        return f" on the {_targets(corpus)} and on probabilities from {_listed(sorted(options['soft_targets']['files'].values()))}"
    return f" on the {_targets(corpus)} and on {mean}what {_teacher(options['teacher'])} {seeds}answers"


def _teacher(teacher: str | dict) -> str:
    """Return what a teacher is called, that of another experiment with its name."""
    return f"“{teacher['variant']}” of “{teacher['experiment']}”" if isinstance(teacher, dict) else f"“{teacher}”"


def _targets(corpus: bool) -> str:
    return "masked tokens" if corpus else "labels"


def _length(training: dict) -> str:
    unit = next(unit for unit in ("epoch", "step", "second") if f"{unit}s" in training)
    most = "at most " if unit == "epoch" else ""
    return f"for {most}{_count(training[unit + 's'], unit)}{_averaged(training.get('weights', 'best'))}"


def _averaged(weights: str | dict) -> str:
    """Return over what the weights of a training are averaged, if they are, with a blank before it."""
    if weights == "best":
        return ""
    if "last" in weights:
        return f" with the mean weights of {_count(weights['last'], 'epoch')}"
    return f" with an exponential moving average of the weights (decay {weights['ema']:g})"


def _listed(values: list) -> str:
    return ", ".join(map(str, values))


def _count(number: float, noun: str) -> str:
    return f"{number} {noun}{'s' if number != 1 else ''}"
