"""What a search would cost at most, before it begins: minutes of training at this machine's pace, and disk."""

from pathlib import Path

from encoder_compression.contract.candidates import SHARES, Space
from encoder_compression.contract.pace import Pace
from encoder_compression.encoders import encoder_facts
from encoder_compression.study.chain import Chain

BYTES = 4  # of a weight in float32
FORMS = 1.25  # files of a chain's end beside its weights: a graph in float32, and one in 8 bits
GB = 1e9


def lines(space: Space, pace: Pace, *, teacher: dict, base: Path, chains: list[Chain]) -> list[str]:
    """Return what training and disk all the ``chains`` of a search would take; ``teacher`` is the training of the teacher."""
    shares = [keep / space.depth for keep in space.depths]
    widths = len(SHARES) if space.can_shrink else 0  # each is trained for an epoch after the cut
    seconds = {
        "the teacher": teacher.get("seconds", 0) or pace.seconds(teacher.get("epochs", 0)),
        f"{len(shares)} students for one epoch": sum(pace.seconds(1, share) for share in shares),
        "all of them wholly, of which the better half is trained": sum(pace.seconds(space.epochs + widths, share) for share in shares),
    }
    return [
        f"training at {pace.tokens_per_second:,.0f} tokens/s:",
        *(f"  {what}: {each / 60:.1f} min" for what, each in seconds.items()),
        f"disk: at most {disk_gb(space, base, chains):.1f} GB in results/",
    ]


def disk_gb(space: Space, base: Path, chains: list[Chain]) -> float:
    """Return the GB of all chains and of what they are made from, each as large as its layers and the whole vocabulary."""
    whole = (Path(base) / encoder_facts.WEIGHTS).stat().st_size
    embeddings = BYTES * encoder_facts.vocabulary_size(base) * space.hidden_size
    models = {prefix for chain in chains for prefix in chain.prefixes}
    layers = {prefix: _layers(prefix, space) / space.depth for prefix in models}
    sizes = {prefix: embeddings + (whole - embeddings) * share for prefix, share in layers.items()}
    return (sum(sizes.values()) + FORMS * sum(sizes[chain] for chain in chains)) / GB


def _layers(chain: Chain, space: Space) -> int:
    """Return how many layers a chain's students keep: those of the step that names a number, or all."""
    return next((keep for keep in space.depths if any(step.partition("_")[0] == f"layers{keep}" for step in chain.steps)), space.depth)
