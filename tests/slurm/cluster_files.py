"""Where the tests' SLURM cluster keeps its files, and what it reads from them."""

import secrets
import socket
from pathlib import Path

STATE = Path("/var/tmp/encoder-compression-slurm")
CONFIGURATION = Path("/etc/slurm")  # SLURM's built-in place: Snakemake's job step drops SLURM_CONF
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


def write_configuration() -> None:
    """Write the configuration of controller, nodes and database, and names for the nodes."""
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
        (STATE / "etc" / name).write_text(text, encoding="utf-8")
        (STATE / "etc" / name).chmod(0o600)
        (CONFIGURATION / name).symlink_to(STATE / "etc" / name)
    (STATE / "etc" / "user.sql").write_text(DATABASE_USER.format(**values), encoding="utf-8")
    write_hosts([f"127.0.0.1 {' '.join(NODES)} {MARK}"])


def write_hosts(lines: list[str]) -> None:
    """Give the nodes names that resolve; in place, as /etc/hosts may be a mount."""
    hosts = Path("/etc/hosts")
    kept = [line for line in hosts.read_text(encoding="utf-8").splitlines() if not line.endswith(MARK)]
    hosts.write_text("\n".join([*kept, *lines]) + "\n", encoding="utf-8")
