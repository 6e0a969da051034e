"""The latency of a delivery as clients see it: its own server in a process of its own, asked by one client or by several at once."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import numpy as np

from encoder_compression.errors import UserError
from encoder_compression.measurement.foreign_load import ForeignLoad
from encoder_compression.run.environment import ALLOCATOR_SETTINGS, THREAD_VARIABLES

CLIENTS = (1, 4, 16)
START_SECONDS = 120  # within which the server must have loaded the model
WARMUP = 4  # requests of each client that are not timed
HOST = "127.0.0.1"


def measure(delivery: Path, inputs: list, *, calls: int) -> dict:
    """Return what requests with one input each take, by the number of clients that ask at once, each without a pause.

    "start_seconds" is from the server's start to its first answer; "levels" holds "clients", "requests", "p50_ms", "p90_ms",
    "p99_ms" and "per_second"; "foreign_cpu_share" is what other programs took of the processor meanwhile. UserError where the server does
    not start, or answers with an error.
    """
    start = time.monotonic()
    with server(delivery) as running:
        seconds = time.monotonic() - start
        load = ForeignLoad([running])
        levels = [_level(running.port, inputs, clients, calls) for clients in CLIENTS]
        return {"start_seconds": seconds, "levels": levels, "foreign_cpu_share": load.share()}


@dataclass(frozen=True)
class Running:
    """A server that answers at a port."""

    process: subprocess.Popen
    port: int


@contextmanager
def server(delivery: Path) -> Iterator[Running]:
    """Yield the delivery's server once it answers; it ends with the context."""
    port = _free_port()
    environment = {name: value for name, value in os.environ.items() if name not in (*ALLOCATOR_SETTINGS, *THREAD_VARIABLES)}
    command = [sys.executable, "server.py", "--host", HOST, "--port", str(port)]
    process = subprocess.Popen(command, cwd=delivery, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8")
    try:
        _wait_for(process, port, delivery)
        yield Running(process, port)
    finally:
        process.terminate()
        process.communicate(timeout=60)


def ask(connection: HTTPConnection, inputs: list) -> list[dict]:
    """Return the predictions for inputs; UserError with the server's own words where it refuses them."""
    connection.request("POST", "/predict", json.dumps({"inputs": inputs}).encode(), {"Content-Type": "application/json"})
    response = connection.getresponse()
    body = response.read().decode()
    if response.status != 200:
        raise UserError(f"the server of the delivery answered {response.status}: {body[:200]}")
    return json.loads(body)["predictions"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def _wait_for(process: subprocess.Popen, port: int, delivery: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        connection = HTTPConnection(HOST, port, timeout=5)
        try:
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        except (OSError, HTTPException):
            time.sleep(0.02)
        finally:
            connection.close()
    process.kill()
    (*_, reason) = [line for line in process.communicate()[1].splitlines() if line.strip()] or ["it said nothing"]
    raise UserError(f"{delivery}/server.py: the server did not start: {reason}")


def _level(port: int, inputs: list, clients: int, calls: int) -> dict:
    """Return the latencies that so many clients see, which share at least ``calls`` requests."""
    each = max(1, -(-calls // clients))
    start = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        timed = np.array(
            [ms for by_client in pool.map(lambda number: _client(port, inputs, number, each), range(clients)) for ms in by_client]
        )
    seconds = time.perf_counter() - start
    percentiles = {f"p{share}_ms": float(np.percentile(timed, share)) for share in (50, 90, 99)}
    return {"clients": clients, "requests": len(timed)} | percentiles | {"per_second": clients * (each + WARMUP) / seconds}


def _client(port: int, inputs: list, number: int, calls: int) -> list[float]:
    """Return the milliseconds of each request of a client, which begins at inputs of its own."""
    connection = HTTPConnection(HOST, port, timeout=60)
    milliseconds = []
    for call in range(WARMUP + calls):
        each = inputs[(number * calls + call) % len(inputs)]
        start = time.perf_counter()
        ask(connection, [each])
        milliseconds.append(1000 * (time.perf_counter() - start))
    connection.close()
    return milliseconds[WARMUP:]
