"""The Hugging Face hub: a broken download goes on, and what goes wrong is one line that says what to do."""

import time
import traceback
from collections.abc import Callable
from typing import TypeVar

from encoder_compression.errors import UserError

Answer = TypeVar("Answer")
TRIES = 3
UNREACHED = "it is not in the cache and the hub cannot be asked; connect to it, without HF_HUB_OFFLINE, or name local files"
UNKNOWN = "the hub has nothing of this name that you may read; check the id, and set HF_TOKEN if it is private"

# By name, because the libraries take seconds to import and differ between versions.
BROKEN = {"ChunkedEncodingError", "RemoteProtocolError"}  # of requests; of httpx, which huggingface_hub uses from 1.0 on
# The first that fits an error or what caused it counts.
REASONS = {
    "RevisionNotFoundError": "the hub has no such revision of it; take a full commit from its history there",
    "GatedRepoError": "its owner asks for consent; give it on the hub and set HF_TOKEN",
    "RepositoryNotFoundError": UNKNOWN,
    "DatasetNotFoundError": UNKNOWN,
    "LocalEntryNotFoundError": UNREACHED,
    "ConnectionError": UNREACHED,
    "Timeout": UNREACHED,
}


def ask(what: str, call: Callable[[], Answer]) -> Answer:
    """Return ``call()``; raises UserError that begins with ``what`` where the hub does not have it or cannot be asked.

    huggingface_hub goes on by itself after most broken connections, but not after one that ends too early. So ``call``
    begins again, and finds whole files and the first part of the broken one in the cache.
    """
    for left in reversed(range(TRIES)):
        try:
            return call()
        except UserError:
            raise
        except Exception as error:  # the libraries share no base class
            if not BROKEN & _names(error):
                raise UserError(f"{what}: {_reason(error)}") from None
            print(f"{what}: {error}; {left} more tries")
            time.sleep(1)
    raise UserError(f"{what}: the connection broke {TRIES} times; run again, and the download goes on where it stopped")


def _reason(error: BaseException) -> str:
    names = _names(error)
    known = [reason for name, reason in REASONS.items() if name in names]
    if known:
        return known[0]
    traceback.print_exception(error)  # to the log
    first = _chain(error)[-1]
    return next(iter(str(first).strip().splitlines()), type(first).__name__)


def _names(error: BaseException) -> set[str]:
    """Return the names of an error's classes and of those of what caused it."""
    return {kind.__name__ for link in _chain(error) for kind in type(link).__mro__}


def _chain(error: BaseException) -> list[BaseException]:
    """Return an error, what caused it, what caused that, …"""
    return [error, *(_chain(error.__cause__) if error.__cause__ else [])]
