"""What a row on CUDA needs of this machine: a driver as new as the build of torch, a card with the number format, kernels in a library.

Nothing here imports torch: it is asked before any job, and again by each job of a cluster, on its node.
"""

import re
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

from encoder_compression.errors import UserError
from encoder_compression.run import environment

# The oldest major version of the driver that runs programs of a CUDA version (NVIDIA's table of minor version compatibility).
OLDEST_DRIVERS = {11: 450, 12: 525, 13: 580}
BFLOAT16 = (8, 0)  # compute capability from which on cards multiply in it
KERNELS = {
    "bitsandbytes": "libbitsandbytes_cuda*.so"
}  # by package: files whose names end with the version of CUDA; torchao takes torch's own


@dataclass(frozen=True)
class Card:
    """A graphics card as its driver describes it."""

    name: str
    capability: tuple[int, int]
    driver: str


def cards() -> list[Card]:
    """Return the cards that this process may use, as nvidia-smi tells; none where there is no driver."""
    query = ["nvidia-smi", "--query-gpu=name,compute_cap,driver_version", "--format=csv,noheader"]
    rows = [line.split(", ") for line in environment.lines_of(query)]
    return [Card(name, _numbers(capability), driver) for name, capability, driver in rows]


def cuda_of_torch() -> tuple[int, int] | None:
    """Return the version of CUDA that the installed torch was built for, read from its files; None of a build for the CPU."""
    file = _folder("torch") / "version.py"
    built = re.search(r"^cuda\b.*=\s*'([\d.]+)'", file.read_text(encoding="utf-8"), re.MULTILINE)
    return _numbers(built[1]) if built else None


def lacks_kernels(package: str) -> str | None:
    """Return what a package of quantized weights lacks to run on CUDA with the installed torch; None where it lacks nothing."""
    cuda, files = cuda_of_torch(), KERNELS.get(package)
    if cuda is None:
        return f"{package} needs CUDA here, but torch is a build for the CPU"
    wanted = "{}{}".format(*cuda)
    known = {re.search(r"\d+$", file.stem)[0] for file in _folder(package).glob(files)} if files else {wanted}
    return None if wanted in known else f"{package} has no kernels for CUDA {'.'.join(map(str, cuda))}, which torch was built for"


def require_fit(experiments: dict[str, dict]) -> None:
    """Raise UserError where a card of this machine cannot run what an experiment's devices with PyTorch on CUDA ask for.

    A machine without a card is not asked: it need not be the one that measures.
    """
    devices = [(name, device) for options in experiments.values() for name, device in options["devices"].items()]
    on_cuda = {name: device for name, device in devices if (device["runtime"], device["hardware"]) == ("pytorch", "cuda")}
    for card in cards() if on_cuda else []:
        for name, device in on_cuda.items():
            if misfit := _misfit(card, device):
                raise UserError(f"device '{name}': {misfit}, or take the device out")


def _misfit(card: Card, device: dict) -> str | None:
    """Return why a card cannot run a device, with the remedy; None where it can."""
    cuda = cuda_of_torch()
    oldest = OLDEST_DRIVERS.get(cuda[0]) if cuda else None
    if oldest and _numbers(card.driver)[0] < oldest:
        built = ".".join(map(str, cuda))
        return f"the driver {card.driver} of {card.name} is older than {oldest}, which torch's build for CUDA {built} needs; renew it"
    if device["precision"] == "bfloat16" and card.capability < BFLOAT16:
        return f"{card.name} has no bfloat16, which cards of compute capability 8.0 on have; give it precision: float16"
    return None


def _folder(package: str) -> Path:
    return Path(distribution(package).locate_file(package))  # a spec would be hidden where imports are blocked


def _numbers(version: str) -> tuple[int, int]:
    """Return the first two numbers of a version: ``_numbers("12.8.1") == (12, 8)``."""
    major, minor = re.findall(r"\d+", version)[:2]
    return int(major), int(minor)
