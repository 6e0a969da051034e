"""Runs of the check, each in a process of its own: what one breaks, keeps or leaves on the card ends with it."""

import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from encoder_compression.run import environment

SECONDS_TO_END = 10  # of a process that has answered


class RunError(Exception):
    """A run that gave no result; its text is one line."""


class MissingPackage(RunError):
    """A run that needs a package or a module which is not there; its text is the name."""


class Children:
    """Starts runs, by forking this process or, with start "spawn", by processes that import everything anew.

    This process imports torch, and leaves computing and CUDA to its children: a fork has neither threads nor a card of its parent.
    ``deadline`` is the moment, by ``time.monotonic``, after which no run goes on. What runs print goes to ``log``.
    """

    def __init__(self, *, start: str, deadline: float, log: Path):
        self.context = multiprocessing.get_context(start)
        self.deadline, self.log = deadline, log

    def run(self, function: Callable[..., dict], *, hardware: str, limit: float, **arguments) -> dict:
        """Call the function in a child that sees CUDA or, on "cpu", none; return what it returns.

        Raises MissingPackage where it needs a package that is not there, and RunError where it raises anything else, dies, or takes
        longer than ``limit`` seconds or than the check has left.
        """
        process, receiver = self.start(function, hardware=hardware, **arguments)
        seconds = min(limit, self.deadline - time.monotonic())
        try:
            answer = receiver.recv() if seconds > 0 and receiver.poll(seconds) else {"error": f"no answer within {max(seconds, 0):.0f} s"}
        except EOFError:
            process.join(SECONDS_TO_END)
            answer = {"error": f"its process died with exit code {process.exitcode}"}
        finally:
            kill(process)  # what it sent is here, what it wrote is closed
        if "missing" in answer:
            raise MissingPackage(answer["missing"])
        if "error" in answer:
            raise RunError(answer["error"])
        return answer["result"]

    def start(self, function: Callable[..., dict], *, hardware: str, **arguments) -> tuple[BaseProcess, Connection]:
        """Start the same call without waiting; `kill` ends it."""
        receiver, sender = self.context.Pipe(duplex=False)
        process = self.context.Process(target=_serve, args=(sender, self.log, function, hardware, arguments))
        process.start()
        sender.close()
        return process, receiver


def kill(process: BaseProcess) -> None:
    """Kill a run and the processes that it started, as a machine that goes down would."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.join()


def _serve(sender: Connection, log: Path, function: Callable[..., dict], hardware: str, arguments: dict) -> None:
    os.setsid()
    sys.stdout = sys.stderr = log.open("a", encoding="utf-8", buffering=1)  # C libraries print to the descriptors
    os.dup2(sys.stderr.fileno(), 1)
    os.dup2(sys.stderr.fileno(), 2)
    print(f"---- {function.__name__} on {hardware}: {arguments}", file=sys.stderr)
    if hardware == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    try:
        with environment.blocked_imports():
            answer = {"result": function(**arguments)}
    except ModuleNotFoundError as error:
        traceback.print_exc()
        answer = {"missing": error.name or str(error)}
    except Exception as error:  # whatever it is, the other parts go on
        traceback.print_exc()
        answer = {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}
    sender.send(answer)
