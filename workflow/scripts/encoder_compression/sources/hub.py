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

# By name, because the libraries take seconds to import; the first that fits an error or what caused it counts.
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
    from requests.exceptions import ChunkedEncodingError

    for left in reversed(range(TRIES)):
        try:
            return call()
        except UserError:
            raise
        except ChunkedEncodingError as error:
            print(f"{what}: {error}; {left} more tries")
            time.sleep(1)
        except Exception as error:  # the libraries share no base class
            raise UserError(f"{what}: {_reason(error)}") from None
    raise UserError(f"{what}: the connection broke {TRIES} times; run again, and the download goes on where it stopped")


def _reason(error: BaseException) -> str:
    chain = [error]
    while chain[-1].__cause__:
        chain.append(chain[-1].__cause__)
    names = {kind.__name__ for link in chain for kind in type(link).__mro__}
    known = [reason for name, reason in REASONS.items() if name in names]
    if known:
        return known[0]
    traceback.print_exception(error)  # to the log
    return next(iter(str(chain[-1]).strip().splitlines()), type(chain[-1]).__name__)
