"""A Slurm of one node on loopback, in a folder of its own: `python tests/cluster/slurm.py start FOLDER`, and `stop`.

Needs root, and Debian's `slurm-wlm` and `munge`. All daemons, keys, sockets, ports and states are its own: a Slurm that
the machine may have is neither used nor touched. Jobs and commands find it by `SLURM_CONF=FOLDER/slurm.conf`.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "sinfo")
CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CryptoType=crypto/munge
SlurmUser=root
SlurmdUser=root
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=5
MpiDefault=none
ReturnToService=2
SlurmdTimeout=30
MinJobAge=600
"""

# What `sacct` would say of jobs by their name, of a Slurm that keeps no accounts: from the controller, which remembers
# them for MinJobAge seconds.
SACCT = """\
#!/bin/sh
while [ "$1" != --name ]; do
    case "$1" in --name=*) break ;; "") exit 0 ;; esac
    shift
done
exec squeue --states=all --noheader --format='%i|%T' --name="${2:-${1#--name=}}"
"""


def missing() -> str | None:
    """Why this machine cannot run it, in words; None if it can."""
    absent = [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]
    if absent:
        return f"{', '.join(absent)} not installed: apt-get install slurm-wlm munge"
    return None if os.geteuid() == 0 else "a Slurm of one's own needs root"


def start(folder: Path) -> dict[str, str]:
    """Start all daemons and wait until the node is idle; the environment in which its commands work."""
    folder = folder.resolve()
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin/sacct").write_text(SACCT)
    (folder / "bin/sacct").chmod(0o755)
    folder.chmod(0o755)  # munged refuses its socket in a folder that others may write to
    key = folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(128))
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
    values = {"host": socket.gethostname().split(".")[0], "cpus": os.cpu_count(), "memory": memory * 9 // 10}
    (folder / "slurm.conf").write_text(CONF.format(folder=folder, ports=_free_ports(2), **values))
    _run(
        folder, "munged", "--force", f"--key-file={key}", f"--socket={folder}/munge.socket",
        f"--pid-file={folder}/munged.pid", f"--log-file={folder}/munged.log", f"--seed-file={folder}/munge.seed",
    )  # fmt: skip
    _run(folder, "slurmctld", "-c")
    start_node(folder)
    wait_idle(folder)
    return environment(folder)


def start_node(folder: Path) -> None:
    """Start slurmd, the daemon of the node, which looks after what an earlier one left."""
    _run(folder, "slurmd")


def states(folder: Path) -> list[str]:
    """Of all jobs in the queue: R of those that run."""
    return _run(folder, "squeue", "--noheader", "--format=%t").split()


def kill_node(folder: Path) -> None:
    """Kill slurmd as a crash would; what it has started lives on."""
    os.kill(_pid(folder, "slurmd"), signal.SIGKILL)


def wait_idle(folder: Path, seconds: float = 60) -> None:
    """Until the node takes jobs."""
    end = time.monotonic() + seconds
    while _run(folder, "sinfo", "--noheader", "--format=%t").strip() not in ("idle", "mix", "alloc"):
        if time.monotonic() > end:
            sys.exit(f"the node did not come up: see {folder}/slurmd.log")
        time.sleep(0.5)


def stop(folder: Path) -> None:
    """Cancel all jobs and stop the daemons, the last first."""
    folder = folder.resolve()
    if (folder / "slurmctld.pid").exists():
        subprocess.run(["scancel", "--user=root"], env=environment(folder), check=False, capture_output=True)
        time.sleep(1)
    for name in ("slurmd", "slurmctld", "munged"):
        try:
            pid = _pid(folder, name)
            os.kill(pid, signal.SIGTERM)
        except (FileNotFoundError, ProcessLookupError, ValueError):
            continue
        end = time.monotonic() + 20
        while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
            time.sleep(0.1)


def environment(folder: Path) -> dict[str, str]:
    """Of a process that is to use this Slurm."""
    return os.environ | {"USER": "root", "SLURM_CONF": str(folder / "slurm.conf"), "PATH": f"{folder}/bin:{_path()}"}


def _path() -> str:
    return f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin"


def _pid(folder: Path, name: str) -> int:
    return int((folder / f"{name}.pid").read_text())


def _free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def _run(folder: Path, *words: str) -> str:
    done = subprocess.run(words, env=environment(folder), capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(words)}: {(done.stderr or done.stdout).strip()}; logs are in {folder}")
    return done.stdout


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("start", "stop"):
        sys.exit(__doc__)
    if (reason := missing()) is not None:
        sys.exit(reason)
    if sys.argv[1] == "start":
        start(Path(sys.argv[2]))
        print("export SLURM_CONF={0}/slurm.conf PATH={0}/bin:$PATH".format(Path(sys.argv[2]).resolve()))
    else:
        stop(Path(sys.argv[2]))
