"""
A real SLURM cluster of four nodes on this one machine, for tests: python tests/slurm/cluster.py start | stop.

Needs root, no systemd; installs Debian's packages. Nodes cpu1 and cpu2 form the partition cpu; gpu1 and gpu2, with two fake
GPUs each, the partition gpu. The second of each kind has the feature "quiet", for measurements.
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from cluster_files import CONFIGURATION, NODES, PORT, STATE, write_configuration, write_hosts

PACKAGES = ("munge", "slurm-wlm", "slurmdbd", "mariadb-server-core", "mariadb-client-core")


def prepare() -> None:
    """Install what is missing; exits with one line where no cluster can be started here."""
    if os.geteuid():
        sys.exit("Error: a cluster needs root; run make test-slurm as root, or in a container")
    conf = CONFIGURATION / "slurm.conf"
    if conf.exists() and conf.resolve().parent != STATE / "etc":
        sys.exit(f"Error: {conf} belongs to another cluster; these tests run only where there is none")
    if not all(map(shutil.which, ("munged", "slurmctld", "slurmd", "slurmdbd", "mariadbd"))):
        if not shutil.which("apt-get"):
            sys.exit(f"Error: install {', '.join(PACKAGES)} or what your distribution calls them; apt-get is not there to do it")
        _install()


def _install() -> None:
    """Install Debian's packages without letting them start anything."""
    refusal = Path("/usr/sbin/policy-rc.d")
    own = not refusal.exists()
    if own:
        refusal.write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
        refusal.chmod(0o755)
    try:
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update"], ["install", "--yes", "--no-install-recommends", *PACKAGES]):
            subprocess.run(["apt-get", *command], env=environment, check=True, stdout=subprocess.DEVNULL)
    finally:
        if own:
            refusal.unlink()


def start() -> None:
    """Start all daemons afresh and wait until every node takes jobs."""
    prepare()
    stop()
    for folder in ("etc", "controller", "spool", "pid", "log", "database"):
        (STATE / folder).mkdir(parents=True)
    write_configuration()
    _start_munge()
    _start_database()
    start_controller()
    for name in NODES:
        start_node(name)
    wait_until(nodes_are_ready, seconds=60, what=f"nodes not ready; see {STATE / 'log'}")


def stop() -> None:
    """Cancel all jobs, end the daemons and delete their state; harmless where nothing runs."""
    if _living("slurmctld"):
        subprocess.run(["scancel", "--user=root"], timeout=20, check=False)
        with suppress(AssertionError):
            wait_until(lambda: not output("squeue", "--noheader"), seconds=30, what="jobs still there")
    for name in (*NODES, "slurmctld", "slurmdbd", "mariadbd", "munged"):
        kill(name, signal.SIGTERM)
    for link in CONFIGURATION.glob("*.conf"):
        if link.is_symlink() and link.readlink().parent == STATE / "etc":
            link.unlink()
    write_hosts([])
    shutil.rmtree(STATE, ignore_errors=True)


def start_controller() -> None:
    """Start the controller; also after `kill`."""
    subprocess.run(["slurmctld"], check=True)
    wait_until(lambda: "UP" in output("scontrol", "ping"), seconds=30, what="no answer from the controller")


def start_node(name: str) -> None:
    """Start the daemon of a node; also after `kill_node`."""
    (STATE / "spool" / name).mkdir(exist_ok=True)
    subprocess.run(["slurmd", "-N", name], check=True)


def kill(name: str, number: signal.Signals) -> None:
    """End a daemon and wait until it is gone."""
    pid = _living(name)
    if pid:
        os.kill(pid, number)
        wait_until(lambda: not _living(name), seconds=60, what=f"{name} does not end")


def kill_node(name: str) -> None:
    """Let a node die: its daemon, its job steps and all that they started, at once."""
    kill(name, signal.SIGKILL)
    steps = [
        int(line.split()[0]) for line in output("ps", "-eo", "pid,args").splitlines() if "slurmstepd: [" in line and _is_on(name, line)
    ]
    for pid in steps:
        for child in [*_descendants(pid), pid]:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)


def _is_on(name: str, line: str) -> bool:
    job = line.partition("slurmstepd: [")[2].partition(".")[0]
    return output("squeue", "--noheader", "--job", job, "--format=%N").strip() == name


def _descendants(pid: int) -> list[int]:
    children = [int(child) for child in output("ps", "--ppid", str(pid), "-o", "pid=").split()]
    return [each for child in children for each in (*_descendants(child), child)]


def is_running() -> bool:
    """Say whether the cluster that `start` starts is there."""
    return _living("slurmctld") is not None


def nodes_are_ready() -> bool:
    """Say whether every node is up and takes jobs."""
    states = dict(line.split() for line in output("sinfo", "--noheader", "--Node", "--format=%N %T").splitlines())
    return sorted(states) == sorted(NODES) and set(states.values()) <= {"idle", "mixed", "allocated", "completing"}


def output(*command: str) -> str:
    """Return what a command prints; nothing where it fails."""
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60, check=False)
    return "" if done.returncode else done.stdout


def insist(*command: str) -> str:
    """Return what a command prints, tried again while the controller is away; raises AssertionError after two minutes."""
    answers = []

    def succeeds() -> bool:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60, check=False)
        answers.append(done.stdout)
        return done.returncode == 0

    wait_until(succeeds, seconds=120, what=f"{' '.join(command)} fails")
    return answers[-1]


def wait_until(condition, *, seconds: float, what: str) -> None:
    """Return once the condition holds; raises AssertionError when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.3)


def _living(name: str) -> int | None:
    """Return the process of a daemon that this module started, if it lives."""
    file = STATE / "pid" / name
    pid = file.read_text(encoding="utf-8").strip() if file.exists() else ""
    with suppress(OSError):
        if pid and Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").startswith(("slurm", "mariadbd", "munged")):
            return int(pid)
    return None


def _start_munge() -> None:
    if subprocess.run("munge -n | unmunge", shell=True, capture_output=True).returncode == 0:
        return
    key = Path("/etc/munge/munge.key")
    if not key.exists():
        key.parent.mkdir(exist_ok=True)
        key.write_bytes(secrets.token_bytes(1024))
    for folder in map(Path, ("/etc/munge", "/run/munge", "/var/lib/munge", "/var/log/munge")):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755 if folder.parent == Path("/run") else 0o700)
        shutil.chown(folder, "munge", "munge")
    key.chmod(0o400)
    shutil.chown(key, "munge", "munge")
    Path("/run/munge/munge.socket.2").unlink(missing_ok=True)
    subprocess.run(["setpriv", "--reuid=munge", "--regid=munge", "--clear-groups", shutil.which("munged")], check=True)
    wait_until(lambda: output("munge", "-n"), seconds=15, what="munged does not answer")
    shutil.copy("/run/munge/munged.pid", STATE / "pid" / "munged")


def _start_database() -> None:
    data, socket_file, log = STATE / "database", STATE / "database.sock", (STATE / "log" / "mariadb.log").open("w", encoding="utf-8")
    shared = ["--no-defaults", "--user=root", f"--datadir={data}"]
    subprocess.run(["mariadb-install-db", *shared, "--skip-test-db"], check=True, stdout=log, stderr=log)
    small = ["--skip-log-bin", "--innodb-buffer-pool-size=64M", "--innodb-lock-wait-timeout=900", "--innodb-flush-log-at-trx-commit=2"]
    place = [f"--socket={socket_file}", f"--pid-file={STATE / 'pid' / 'mariadbd'}", "--bind-address=127.0.0.1", f"--port={PORT + 2}"]
    subprocess.Popen(["mariadbd", *shared, *small, *place], start_new_session=True, stdout=log, stderr=log)
    client = ["mariadb", "--no-defaults", f"--socket={socket_file}"]
    wait_until(lambda: output(*client, "--execute=select 1"), seconds=60, what="the database does not answer")
    subprocess.run(client, stdin=(STATE / "etc" / "user.sql").open(encoding="utf-8"), check=True)
    subprocess.run(["slurmdbd"], check=True)
    wait_until(lambda: "ControlHost" in output("sacctmgr", "list", "cluster"), seconds=60, what="slurmdbd does not answer")
    for entry in (["cluster", "tests"], ["account", "project"], ["user", "root", "account=project"]):
        subprocess.run(["sacctmgr", "--immediate", "add", *entry], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    {"start": start, "stop": stop}[sys.argv[1]]()
