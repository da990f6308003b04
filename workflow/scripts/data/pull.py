"""A pointer -> the data it names (in the repository), and a receipt. The DVC remote is asked first."""

from pathlib import Path

from dvc.exceptions import DvcException
from dvc.repo import Repo

from ucl.files import write_json
from ucl.logs import start_log
from ucl.media.pointers import read_pointer
from ucl.media.sources import pull

start_log(snakemake)


def remote_reader(root):
    """A function that copies an object of the default remote (or of the local cache) by md5; None without a remote.

    Objects are read directly: `dvc pull` would want DVC's lock, which other jobs or `dvc repro` may hold.
    """
    try:
        remote = Repo(root).cloud.get_remote_odb()
    except DvcException:
        return None

    def read(md5: str, path: Path) -> None:
        try:
            remote.fs.get_file(remote.oid_to_path(md5), str(path))
        except Exception as error:  # each kind of remote has its own
            raise OSError(f"{type(error).__name__}: {error}".splitlines()[0]) from None

    return read


source = read_pointer(snakemake.input.pointer)
assert source.path == Path(snakemake.params.data)  # what the rule says it writes
come_from = pull(source, remote_reader(snakemake.params.root))
write_json({"path": str(source.path), "md5": source.md5, "from": come_from}, snakemake.output[0])
