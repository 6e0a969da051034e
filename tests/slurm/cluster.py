"""
A real SLURM cluster of four nodes on this one machine, for tests: python tests/slurm/cluster.py start | stop.

Needs root, no systemd; installs Debian's packages. Nodes cpu1 and cpu2 form the partition cpu; gpu1 and gpu2, with two fake
GPUs each, the partition gpu. The second of each kind has the feature "quiet", for measurements.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

STATE = Path("/var/tmp/encoder-compression-slurm")
CONFIGURATION = Path("/etc/slurm")  # SLURM's built-in place: Snakemake's job step drops SLURM_CONF
PACKAGES = ("munge", "slurm-wlm", "slurmdbd", "mariadb-server-core", "mariadb-client-core")
PORT = 27817  # of the controller; database daemon, database and nodes follow
NODES = {"cpu1": "plain", "cpu2": "quiet", "gpu1": "plain", "gpu2": "quiet"}
MARK = "# encoder-compression tests"

SLURM_CONF = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
# Also the wait before a requeued job starts again; the default is 120 s.
AuthInfo=cred_expire=20
StateSaveLocation={state}/controller
SlurmdSpoolDir={state}/spool/%n
SlurmctldPidFile={state}/pid/slurmctld
SlurmdPidFile={state}/pid/%n
SlurmctldLogFile={state}/log/slurmctld.log
SlurmdLogFile={state}/log/%n.log
# No cgroups and no binding: the nodes claim more processors than the machine has.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SlurmdParameters=config_overrides
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
SchedulerParameters=sched_interval=5,bf_interval=5,defer_batch
KillWait=20
MinJobAge=600
SlurmctldTimeout=30
SlurmdTimeout=20
JobRequeue=1
JobAcctGatherType=jobacct_gather/linux
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={database_daemon_port}
AccountingStorageTRES=gres/gpu
AccountingStoreFlags=job_comment
PartitionName=cpu Nodes=cpu1,cpu2 Default=YES MaxTime=1-0 DefaultTime=10
PartitionName=gpu Nodes=gpu1,gpu2 MaxTime=1-0 DefaultTime=10
"""

NODE = (
    "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} Sockets=1 CoresPerSocket=16 ThreadsPerCore=1"
    " RealMemory=200000 Feature={feature} {gres}State=UNKNOWN\n"
)

DATABASE_CONF = """\
AuthType=auth/munge
DbdHost={host}
DbdAddr=127.0.0.1
DbdPort={database_daemon_port}
SlurmUser=root
PidFile={state}/pid/slurmdbd
LogFile={state}/log/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={database_port}
StorageUser=slurm
StoragePass={password}
StorageLoc=slurm_accounts
"""

DATABASE_USER = """\
create database if not exists slurm_accounts;
create user if not exists 'slurm'@'127.0.0.1' identified by '{password}';
create user if not exists 'slurm'@'localhost' identified by '{password}';
grant all on slurm_accounts.* to 'slurm'@'127.0.0.1', 'slurm'@'localhost';
"""


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
        refusal.write_text("#!/bin/sh\nexit 101\n")
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
    _write_configuration()
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
    _write_hosts([])
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
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return "" if done.returncode else done.stdout


def insist(*command: str) -> str:
    """Return what a command prints, tried again while the controller is away; raises AssertionError after two minutes."""
    answers = []

    def succeeds() -> bool:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
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
    pid = file.read_text().strip() if file.exists() else ""
    with suppress(OSError):
        if pid and Path(f"/proc/{pid}/comm").read_text().startswith(("slurm", "mariadbd", "munged")):
            return int(pid)
    return None


def _write_configuration() -> None:
    values = {
        "host": socket.gethostname(),
        "state": STATE,
        "port": PORT,
        "database_daemon_port": PORT + 1,
        "database_port": PORT + 2,
        "password": secrets.token_hex(16),
    }
    nodes = [
        NODE.format(name=name, host=values["host"], port=PORT + index, feature=feature, gres="Gres=gpu:sim:2 " * ("gpu" in name))
        for index, (name, feature) in enumerate(NODES.items(), start=10)
    ]
    files = {
        "slurm.conf": SLURM_CONF.format(**values) + "".join(nodes),
        # SLURM wants to see a device file and hands out its number; harmless ones do.
        "gres.conf": "NodeName=gpu[1-2] Name=gpu Type=sim File=/dev/null\nNodeName=gpu[1-2] Name=gpu Type=sim File=/dev/zero\n",
        "cgroup.conf": "CgroupAutomount=no\n",
        "slurmdbd.conf": DATABASE_CONF.format(**values),
    }
    CONFIGURATION.mkdir(exist_ok=True)
    for name, text in files.items():
        (STATE / "etc" / name).write_text(text)
        (STATE / "etc" / name).chmod(0o600)
        (CONFIGURATION / name).symlink_to(STATE / "etc" / name)
    (STATE / "etc" / "user.sql").write_text(DATABASE_USER.format(**values))
    _write_hosts([f"127.0.0.1 {' '.join(NODES)} {MARK}"])


def _write_hosts(lines: list[str]) -> None:
    """Give the nodes names that resolve; in place, as /etc/hosts may be a mount."""
    hosts = Path("/etc/hosts")
    kept = [line for line in hosts.read_text().splitlines() if not line.endswith(MARK)]
    hosts.write_text("\n".join([*kept, *lines]) + "\n")


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
    data, socket_file, log = STATE / "database", STATE / "database.sock", (STATE / "log" / "mariadb.log").open("w")
    shared = ["--no-defaults", "--user=root", f"--datadir={data}"]
    subprocess.run(["mariadb-install-db", *shared, "--skip-test-db"], check=True, stdout=log, stderr=log)
    small = ["--skip-log-bin", "--innodb-buffer-pool-size=64M", "--innodb-lock-wait-timeout=900", "--innodb-flush-log-at-trx-commit=2"]
    place = [f"--socket={socket_file}", f"--pid-file={STATE / 'pid' / 'mariadbd'}", "--bind-address=127.0.0.1", f"--port={PORT + 2}"]
    subprocess.Popen(["mariadbd", *shared, *small, *place], start_new_session=True, stdout=log, stderr=log)
    client = ["mariadb", "--no-defaults", f"--socket={socket_file}"]
    wait_until(lambda: output(*client, "--execute=select 1"), seconds=60, what="the database does not answer")
    subprocess.run(client, stdin=(STATE / "etc" / "user.sql").open(), check=True)
    subprocess.run(["slurmdbd"], check=True)
    wait_until(lambda: "ControlHost" in output("sacctmgr", "list", "cluster"), seconds=60, what="slurmdbd does not answer")
    for entry in (["cluster", "tests"], ["account", "project"], ["user", "root", "account=project"]):
        subprocess.run(["sacctmgr", "--immediate", "add", *entry], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    {"start": start, "stop": stop}[sys.argv[1]]()
