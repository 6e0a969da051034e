"""What a result depends on besides its options: the machine, the packages, the revision, the process settings."""

import filecmp
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from encoder_compression.errors import UserError

PACKAGES = (
    "torch", "transformers", "tokenizers", "datasets", "accelerate", "optimum", "onnx", "onnxruntime", "openvino", "nncf",
    "optuna", "peft", "bitsandbytes", "torchao", "numpy",
)  # fmt: skip
ISA_FLAGS = ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16", "asimddp", "bf16")

# Keep freed memory in the process: returning every large gradient to the kernel costs 10-20 % of a training step.
# Measured processes run without, as a deployed one would.
ALLOCATOR_SETTINGS = {"MALLOC_MMAP_THRESHOLD_": "4294967295", "MALLOC_TRIM_THRESHOLD_": "4294967295"}

# Read by the C libraries when a process starts, so they must be in the environment before.
PROCESS_SETTINGS = ALLOCATOR_SETTINGS | {
    # A spinning thread that waits costs a busy machine up to 20 times the time it saves.
    "OMP_WAIT_POLICY": "PASSIVE",
    "TOKENIZERS_PARALLELISM": "false",
    # Jobs that compute never ask the hub, so that a cluster's nodes behave like this machine. "ON" means what "1"
    # means, but tells this default from a user's own setting.
    "HF_HUB_OFFLINE": "ON",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    # Otherwise datasets tells a server beside the hub what it loads.
    "HF_UPDATE_DOWNLOAD_COUNTS": "0",
    # Text files and paths are UTF-8 in every locale, also those that libraries open.
    "PYTHONUTF8": "1",
}

# What says how many threads a process computes with. Snakemake sets them all for a job, and torch believes MKL's before OpenMP's.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

# Where libraries keep downloads and what they compiled, if the home directory cannot hold a cache: an absolute path, as jobs pass it on.
CACHE = Path(".snakemake/cache")
CACHE_VARIABLES = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR", "HF_HOME")

# Packages that no process of a study imports by chance. OpenVINO and NNCF would tell a server what is converted and quantized; without
# openvino_telemetry they use a stub of their own. peft would load the others with every Trainer, which takes seconds.
BLOCKED = ("openvino_telemetry", "bitsandbytes", "torchao")


def cpu_has_bfloat16() -> bool:
    """Say whether the processor multiplies matrices of bfloat16 by instructions of its own."""
    return bool({"avx512_bf16", "amx_bf16", "bf16"} & set(hardware()["isa"]))


def is_installed(package: str) -> bool:
    """Say whether a package is in this environment, without importing it."""
    try:
        return bool(version(package))
    except PackageNotFoundError:
        return False


def packages() -> dict[str, str]:
    """Return the versions of the installed packages that shape results."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {"python": platform.python_version()} | versions


def hardware() -> dict:
    """Return the processor, its cores and instruction sets, the memory in GB and the graphics cards."""
    import psutil  # here, as `require_linux` must come before the first library that may be missing

    model, flags = _processor()
    return {
        "processor": model,
        "cores": psutil.cpu_count(),
        "isa": [flag for flag in ISA_FLAGS if flag in flags],
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "gpus": lines_of(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]),
        "system": platform.platform(),
    }


def _processor() -> tuple[str, set[str]]:
    fields = {}
    if Path("/proc/cpuinfo").exists():
        pairs = (line.partition(":") for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines())
        fields = {key.strip(): value.strip() for key, _, value in pairs}
    flags = fields.get("flags") or fields.get("Features") or ""
    return fields.get("model name") or platform.processor() or platform.machine(), set(flags.split())


def revision() -> dict:
    """Return the git commit of the working directory and whether tracked files differ from it; None outside git."""
    commit = lines_of(["git", "rev-parse", "HEAD"])
    modified = lines_of(["git", "status", "--porcelain", "--untracked-files=no"])
    return {"commit": commit[0] if commit else None, "modified": bool(modified)}


def lines_of(command: list[str]) -> list[str]:
    """Return the lines that a program prints; none where it is missing or fails."""
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return done.stdout.split("\n")[:-1]


def apply_process_settings() -> None:
    """Put the settings into the environment of this process's children, where the user has not."""
    for key, value in PROCESS_SETTINGS.items():
        os.environ.setdefault(key, value)
    if not _home_holds_a_cache():
        for name in CACHE_VARIABLES:
            os.environ.setdefault(name, str(CACHE.resolve() / name.lower()))


def _home_holds_a_cache() -> bool:
    """Say whether ~/.cache is a folder that can be written; it is made where the home directory allows that."""
    try:
        folder = Path("~/.cache").expanduser()
        folder.mkdir(exist_ok=True)
    except (OSError, RuntimeError):  # the latter: a user without a home directory
        return False
    return os.access(folder, os.W_OK)


def require_linux() -> None:
    """Raise UserError on other systems: measuring reads /proc and binds processes to cores."""
    if sys.platform != "linux":
        raise UserError(f"this workflow runs on Linux alone, and this is {sys.platform}; run it in the container that Dockerfile makes")


def require_package_of(root: Path) -> None:
    """Raise UserError where the installed package differs from the one that the checkout in ``root`` holds.

    Rules and options of one revision would be read by the code of another, such as where two checkouts share an environment.
    """
    installed, held = Path(__file__).parent.parent, root / "src" / "encoder_compression"
    if held.exists() and not _holds_the_same(filecmp.dircmp(installed, held, ignore=["__pycache__"])):
        remedy = "pip install --no-deps --no-build-isolation --editable ."
        raise UserError(f"{held}: this environment runs another encoder_compression, {installed}; install the one of this folder: {remedy}")


def _holds_the_same(folders: filecmp.dircmp) -> bool:
    differing = folders.left_only + folders.right_only + folders.diff_files + folders.funny_files + folders.common_funny
    return not differing and all(map(_holds_the_same, folders.subdirs.values()))


def quote_interpreter() -> None:
    """Quote the path of this Python for a shell: Snakemake puts ``sys.executable`` into its commands as it is.

    For the process that starts the jobs. A path without blanks stays what it is, and so does one that is quoted already.
    """
    if Path(sys.executable).exists():
        sys.executable = shlex.quote(sys.executable)


def tokenize_in_parallel() -> None:
    """Let tokenizers use every core; for a process that starts no others."""
    os.environ["TOKENIZERS_PARALLELISM"] = "true"


@contextmanager
def blocked_imports() -> Iterator[None]:
    """Keep the packages of `BLOCKED` out of this process while the context lasts, less those that are imported already.

    Enter before transformers, peft, openvino or nncf is imported. A nested context leaves in place what the outer one blocks.
    """
    names = [name for name in BLOCKED if name not in sys.modules]
    sys.modules.update(dict.fromkeys(names))
    try:
        yield
    finally:
        for name in names:
            allow_import(name)


def allow_import(name: str) -> None:
    """Let this process import a package that may be blocked."""
    if name in sys.modules and sys.modules[name] is None:
        del sys.modules[name]


def allow_network() -> None:
    """Let this process ask the hub, unless the user forbade it; call before any of the hub's libraries is imported."""
    if os.environ.get("HF_HUB_OFFLINE") == PROCESS_SETTINGS["HF_HUB_OFFLINE"]:
        del os.environ["HF_HUB_OFFLINE"]


@contextmanager
def network_allowed() -> Iterator[None]:
    """Let this process ask the hub for a while, unless the user forbade it; the processes that it starts later may not."""
    offline = os.environ.get("HF_HUB_OFFLINE")
    allow_network()
    try:
        yield
    finally:
        if offline is not None:
            os.environ["HF_HUB_OFFLINE"] = offline
