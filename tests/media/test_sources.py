"""Pulling tracked data: remote first, upstream otherwise (an HTTP server on loopback), digests verified."""

import hashlib
import http.server
import json
import runpy
import shutil
import tarfile
import threading
from functools import partial
from pathlib import Path

import pytest
from mirror import ROOT, mirror

from ucl.errors import InputError
from ucl.media.pointers import Source, is_present, read_pointer
from ucl.media.sources import pull

CONTENT = b"some content\n"
MD5 = "eb9c2bf0eb63f3a7bc0ea37ef18aeba5"
FILES = {"a.wav": b"a", "b/c.wav": b"c", "b.wav": b"b"}
# from `dvc add` of this tree
FOLDER_MD5 = "ee1a2d2c0dd43982671bb5c5130d2648.dir"


@pytest.fixture
def upstream(tmp_path):
    """An HTTP server on loopback over a folder; yields (folder, address)."""
    folder = tmp_path / "upstream"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture
def nowhere():
    """An address on loopback that refuses connections."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        port = server.server_address[1]
    return f"http://127.0.0.1:{port}/f.csv"


def store(folder):
    """A content-addressed folder as a remote: copies objects by md5."""

    def read(md5, path):
        shutil.copyfile(folder / md5[:2] / md5[2:], path)

    return read


def write_tree(folder):
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def leftovers(tmp_path):
    return [path for path in (tmp_path / "data").rglob("*") if ".tmp" in path.name]


def test_a_file_from_upstream_is_verified(upstream, tmp_path):
    folder, address = upstream
    (folder / "f.csv").write_bytes(CONTENT)
    source = Source(tmp_path / "data" / "f.csv", MD5, len(CONTENT), f"{address}/f.csv")
    assert pull(source, progress=False) == "upstream"
    assert source.path.read_bytes() == CONTENT
    (folder / "f.csv").unlink()
    assert pull(source, progress=False) == "present"


def test_what_is_not_the_pinned_content_is_thrown_away(upstream, tmp_path):
    folder, address = upstream
    (folder / "f.csv").write_bytes(CONTENT + b"!")
    source = Source(tmp_path / "data" / "f.csv", MD5, len(CONTENT), f"{address}/f.csv")
    with pytest.raises(InputError, match=r"f\.csv: what arrived has md5 .*, expected eb9c2bf0"):
        pull(source, progress=False)
    assert not source.path.exists()
    assert not leftovers(tmp_path)


def test_the_remote_is_asked_first_and_upstream_fills_its_gaps(upstream, tmp_path):
    folder, address = upstream
    objects = tmp_path / "objects"
    (objects / MD5[:2]).mkdir(parents=True)
    (objects / MD5[:2] / MD5[2:]).write_bytes(CONTENT)
    source = Source(tmp_path / "data" / "f.csv", MD5, len(CONTENT), f"{address}/f.csv")
    assert pull(source, store(objects), progress=False) == "remote"  # upstream would answer 404
    source.path.unlink()
    (objects / MD5[:2] / MD5[2:]).write_bytes(b"damaged")
    (folder / "f.csv").write_bytes(CONTENT)
    assert pull(source, store(objects), progress=False) == "upstream"
    assert not leftovers(tmp_path)


def test_without_either_one_line_says_what_where_and_how(tmp_path, nowhere):
    source = Source(tmp_path / "data" / "f.csv", MD5, 1, nowhere)
    with pytest.raises(InputError) as error:
        pull(source, store(tmp_path), progress=False)
    message = str(error.value)
    assert "\n" not in message
    for part in ("f.csv: not here", "DVC remote does not have it", nowhere, "dvc remote add --local -d mirror"):
        assert part in message
    with pytest.raises(InputError, match="no DVC remote is set up"):
        pull(source, progress=False)


def test_changed_data_are_neither_used_nor_overwritten(tmp_path):
    path = tmp_path / "f.csv"
    path.write_bytes(b"mine")
    with pytest.raises(InputError, match=r"f\.csv: md5 is .*, expected eb9c.*; move it away"):
        pull(Source(path, MD5, 1, "http://127.0.0.1/f.csv"), progress=False)
    assert path.read_bytes() == b"mine"


def test_a_folder_from_an_archive_and_from_a_remote(upstream, nowhere, tmp_path):
    folder, address = upstream
    write_tree(tmp_path / "tree" / "project-main" / "recordings")
    (tmp_path / "tree" / "project-main" / "README").write_text("outside the folder")
    with tarfile.open(folder / "main.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "tree" / "project-main", "project-main")
    source = Source(tmp_path / "data" / "recordings", FOLDER_MD5, 3, f"{address}/main.tar.gz")
    assert pull(source, progress=False) == "upstream"
    found = {path.relative_to(source.path).as_posix() for path in source.path.rglob("*") if path.is_file()}
    assert found == set(FILES)

    objects, listing = tmp_path / "objects", []
    for name in sorted(FILES):
        md5 = hashlib.md5(FILES[name]).hexdigest()
        listing.append({"md5": md5, "relpath": name})
        (objects / md5[:2]).mkdir(parents=True, exist_ok=True)
        (objects / md5[:2] / md5[2:]).write_bytes(FILES[name])
    (objects / FOLDER_MD5[:2]).mkdir(parents=True, exist_ok=True)
    (objects / FOLDER_MD5[:2] / FOLDER_MD5[2:]).write_text(json.dumps(listing))
    shutil.rmtree(source.path)
    assert pull(source, store(objects), progress=False) == "remote"
    assert is_present(source)
    (source.path / "a.wav").write_bytes(b"changed")
    with pytest.raises(InputError, match="expected"):
        is_present(source)
    shutil.rmtree(source.path)
    (objects / FOLDER_MD5[:2] / FOLDER_MD5[2:]).write_text(json.dumps([{"md5": MD5, "relpath": "../evil"}]))
    with pytest.raises(InputError, match="leaves its folder"):
        pull(Source(source.path, FOLDER_MD5, 3, nowhere), store(objects), progress=False)
    assert not leftovers(tmp_path)
    assert not source.path.exists()


def test_only_web_addresses_are_upstreams(tmp_path):
    with pytest.raises(InputError, match="must be an http or https address"):
        pull(Source(tmp_path / "f", MD5, 1, "file:///etc/passwd"), progress=False)


def test_every_pointer_reads_and_the_mirror_has_it():
    pointers = sorted(path for path in (ROOT / "data").rglob("*.dvc") if path.parent.name != "weights")
    assert len(pointers) == 7
    sources = [read_pointer(pointer) for pointer in pointers]
    assert all(
        source.url.startswith("http") and source.path.name == pointer.stem
        for source, pointer in zip(sources, pointers, strict=True)
    )
    folder = mirror() / "files" / "md5"
    sizes = {source.path.name: source.size for source in sources if not source.is_folder}
    assert sizes == {
        source.path.name: (folder / source.md5[:2] / source.md5[2:]).stat().st_size
        for source in sources
        if not source.is_folder
    }


def test_the_recordings_come_whole_from_the_mirror(tmp_path):
    tracked = read_pointer(ROOT / "data/fsdd/recordings.dvc")
    source = Source(tmp_path / "recordings", tracked.md5, tracked.size, tracked.url)
    assert pull(source, store(mirror() / "files" / "md5"), progress=False) == "remote"
    names = [path.name for path in source.path.iterdir()]
    assert len(names) == 3000
    assert len({name.split("_")[1] for name in names}) == 6


@pytest.mark.parametrize(
    "text", ["", "outs: []", "outs:\n- md5: a\n", "a: [", "outs:\n- {md5: a, size: x, path: p}\ndeps: [{path: u}]"]
)
def test_a_broken_pointer_is_one_line(text, tmp_path):
    path: Path = tmp_path / "f.dvc"
    path.write_text(text)
    with pytest.raises(InputError, match=r"f\.dvc: expected one output"):
        read_pointer(path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # DVC's own
def test_the_rule_reads_a_dvc_remote(tmp_path, nowhere, monkeypatch):
    """The script of the rule `pull_data`, over a repository and a remote that DVC itself made."""
    from types import SimpleNamespace

    from dvc.repo import Repo

    root = tmp_path / "project"
    (root / "data").mkdir(parents=True)
    repo = Repo.init(str(root), no_scm=True)
    remote = tmp_path / "remote"
    with repo.config.edit("local") as config:
        config["remote"]["mirror"] = {"url": str(remote)}
        config["core"]["remote"] = "mirror"
    (root / "data" / "f.csv").write_bytes(CONTENT)
    repo.add([str(root / "data" / "f.csv")])
    repo.push()
    (root / "data" / "f.csv").unlink()
    shutil.rmtree(root / ".dvc" / "cache")
    pointer = root / "data" / "f.csv.dvc"
    pointer.write_text(pointer.read_text() + f"deps: [{{path: {nowhere}}}]\n")

    def run(output):
        job = SimpleNamespace(
            input=SimpleNamespace(pointer=str(pointer)),
            output=[str(tmp_path / output)],
            params=SimpleNamespace(root=str(root), data=str(root / "data" / "f.csv")),
        )
        runpy.run_path(str(ROOT / "workflow/scripts/data/pull.py"), {"snakemake": job})
        return json.loads((tmp_path / output).read_text())

    monkeypatch.setattr("ucl.logs.start_log", lambda job: None)
    assert run("one.json") == {"path": str(root / "data" / "f.csv"), "md5": MD5, "from": "remote"}
    assert (root / "data" / "f.csv").read_bytes() == CONTENT
    assert run("two.json")["from"] == "present"
    (root / "data" / "f.csv").unlink()
    shutil.rmtree(remote)
    with pytest.raises(InputError, match=r"f\.csv: not here, the DVC remote does not have it .* add a mirror"):
        run("three.json")
