"""Damaged files by the thousand: valid small ones, mutated from a fixed seed and read in a process of bounded memory.

`run` starts this file as a program; it prints a line of JSON for each reader. A mutation may be read as an array of the
right shape or refused with one `InputError` line; everything else (another exception, a crash, more than five
seconds, more than a gibibyte) is a failure.
"""

import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

SECONDS = 5.0
MEMORY = 2**30  # bytes, beside what the libraries take
EDGE = 512  # bytes at either end, where headers and footers are
OWN: dict[str, bytes] = {}  # the files of the group, whole


def run(group: str, count: int) -> dict[str, dict[str, int]]:
    """`count` mutations of each file of a group: how many were read and refused; raises at the first failure."""
    command = [sys.executable, __file__, group, str(count)]
    here = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}  # the package beside these tests
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, errors="replace", env=here)
    assert done.returncode == 0, f"{done.stdout[-1500:]}\n{done.stderr[-3000:]}"
    return {name: told for line in done.stdout.splitlines() for name, told in json.loads(line).items()}


def mutations(content: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Flipped bytes, truncations, zeroed runs and duplicated runs, often near the ends of the file."""
    rng = np.random.default_rng(seed)

    def place() -> int:
        low, high = [(0, EDGE), (len(content) - EDGE, len(content)), (0, len(content))][rng.integers(3)]
        return int(rng.integers(max(low, 0), min(high, len(content))))

    for i in range(count):
        changed = bytearray(content)
        start, length = place(), int(2 ** rng.uniform(0, 8))
        if i % 4 == 0:
            for _ in range(int(rng.integers(1, 9))):
                changed[place()] = int(rng.integers(256))
        elif i % 4 == 1:
            del changed[start:]
        elif i % 4 == 2:
            changed[start : start + length] = bytes(len(changed[start : start + length]))
        else:
            changed[start:start] = changed[start : start + length]
        yield bytes(changed)


def _matrices() -> dict[str, bytes]:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from safetensors.numpy import save

    x = np.random.default_rng(0).standard_normal((20, 4)).astype("f4")
    ids = [f"t{i}" for i in range(20)]

    def written(write: Callable[[io.BytesIO], None]) -> bytes:
        buffer = io.BytesIO()
        write(buffer)
        return buffer.getvalue()

    lists, large = pa.array(list(x), pa.list_(pa.float32())), pa.array(list(x), pa.large_list(pa.float64()))
    named, wide = pa.table({"id": ids, "x": lists}), pa.table(dict(zip("abcd", x.T, strict=True)))
    return {
        "x.npy": written(lambda file: np.save(file, x)),
        "x.npz": written(lambda file: np.savez(file, id=np.array(ids), x=x)),
        "deflated.npz": written(lambda file: np.savez_compressed(file, id=np.array(ids), x=x)),
        "x.safetensors": save({"x": x, "id": np.arange(20)}),
        "x.parquet": written(lambda file: pq.write_table(named, file, row_group_size=7)),
        "large.parquet": written(lambda file: pq.write_table(pa.table({"x": large}), file, compression="zstd")),
        "plain.parquet": written(
            lambda file: pq.write_table(named, file, compression="none", use_dictionary=False, write_page_checksum=True)
        ),
        "wide.parquet": written(lambda file: pq.write_table(wide, file)),
    }


def _read_matrix(path: Path) -> None:
    import torch

    from ucl.core.readers import as_rows

    rows = as_rows(path, "x")
    block = rows.read(0, len(rows))
    assert block.shape == rows.shape
    assert min(rows.shape) > 0
    assert torch.isfinite(block).all()
    ids = rows.ids()
    assert ids is None or len(ids) == len(rows)


def _own() -> dict[str, bytes]:
    """Files that the package writes for itself, and parameters."""
    import pandas as pd
    import torch

    from ucl.files import write_parquet
    from ucl.tensors import write_tensors

    bridge, a, c = _bridge()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bridge.bank.prepare(bridge.ab, bridge.bc, folder / "bank", progress=False)
        bridge.prepare(c, progress=False).save(folder / "candidates.safetensors")
        bridge.score(a, c, progress=False).save(folder / "result.safetensors")
        write_tensors({"x": torch.from_numpy(a)}, folder / "sealed.safetensors")
        write_parquet(pd.DataFrame({"x": a[:, 0], "y": ["text"] * len(a)}), folder / "sealed.parquet")
        params = Path(__file__).parent.parent / "params.yaml"
        files = {path.name: path.read_bytes() for path in (*folder.iterdir(), params) if path.is_file()}
        return files | {f"bank {path.name}": path.read_bytes() for path in (folder / "bank").iterdir()}


def _bridge():  # type: ignore[no-untyped-def]
    from ucl import Bank, Bridge, Cosine

    random = np.random.default_rng(0)
    a, c, for_a, for_c = (random.standard_normal(shape, dtype="f4") for shape in ((5, 4), (6, 3), (40, 4), (40, 3)))
    return Bridge(Cosine(20.0), Cosine(10.0), Bank(for_a, for_c), normalize=False), a, c


def _brute_force() -> np.ndarray:
    """log mean_i exp(20 <a, b_i> + 10 <b_i, c>) of `_bridge`, term by term in float64."""
    bridge, a, c = _bridge()
    sides = [a, c, bridge.bank.for_a.read(0, 40).numpy(), bridge.bank.for_c.read(0, 40).numpy()]
    a, c, for_a, for_c = (x.astype("f8") / np.linalg.norm(x.astype("f8"), axis=1, keepdims=True) for x in sides)
    return np.log(np.exp((20 * a @ for_a.T)[:, None] + (10 * c @ for_c.T)[None]).mean(-1))


def _read_own(path: Path) -> None:
    """An answer is the right one: engine outputs are compared with brute force, all else with what was written."""
    from ucl import Bank, Bridge, BridgeResult, Candidates
    from ucl.experiments.params import Params, load_params
    from ucl.files import read_parquet
    from ucl.tensors import read_tensors

    bridge, a, c = _bridge()
    if path.name.startswith("bank "):
        folder = path.with_name("bank")
        for name, content in OWN.items():
            if name.startswith("bank ") and not (folder / name[5:]).exists():
                folder.mkdir(exist_ok=True)
                (folder / name[5:]).write_bytes(content)
        kept = (folder / path.name[5:]).read_bytes()
        (folder / path.name[5:]).write_bytes(path.read_bytes())
        try:
            found = Bridge(bridge.ab, bridge.bc, Bank.load(folder), normalize=False).score(a, c, progress=False).scores
        finally:
            (folder / path.name[5:]).write_bytes(kept)
        assert np.abs(found - _brute_force()).max() < 1e-4
    elif path.name == "candidates.safetensors":
        found = bridge.score(a, Candidates.load(path), progress=False).scores
        assert np.abs(found - _brute_force()).max() < 1e-4
    elif path.name == "result.safetensors":
        assert np.abs(BridgeResult.load(path).scores - _brute_force()).max() < 1e-4
    elif path.name == "sealed.safetensors":
        assert (read_tensors(path)["x"].numpy() == a).all()
    elif path.name == "sealed.parquet":
        frame = read_parquet(path)
        assert (frame["x"].to_numpy() == a[:, 0]).all()
        assert set(frame["y"]) == {"text"}
    else:
        assert isinstance(load_params(path), Params)


def _media() -> dict[str, bytes]:
    import pyarrow as pa
    import pyarrow.parquet as pq
    import soundfile
    from PIL import Image

    wave = 0.3 * np.sin(np.arange(2400) / 3)
    colours = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8))
    deep = Image.fromarray(np.linspace(0, 65535, 24 * 32).reshape(24, 32).astype(np.uint16))
    exif = Image.Exif()
    exif[0x0112] = 6
    cells = [{"id": f"n{i}", "audio": f"a{i}.wav", "image": f"é{i}.jpg", "text": "rain, wind"} for i in range(9)]
    files = {}
    pictures = {"x.png": colours, "deep.png": deep, "x.jpg": colours, "x.avif": colours, "x.webp": colours}
    for name, image in (pictures | {"deep.tif": deep, "x.gif": colours}).items():
        buffer = io.BytesIO()
        image.save(buffer, {"jpg": "JPEG", "tif": "TIFF"}.get(name[-3:], name.split(".")[1].upper()), exif=exif)
        files[name] = buffer.getvalue()
    for name, how in {
        "wav": {},
        "flac": {},
        "ogg": {},
        "mp3": {},
        "opus": {"format": "OGG", "subtype": "OPUS"},
    }.items():
        buffer = io.BytesIO()
        soundfile.write(buffer, wave, 8000, **({"format": name.upper()} | how))
        files[f"x.{name}"] = buffer.getvalue()
    files["x.svg"] = (
        b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="24pt" height="32"><g id="g">'
        b'<circle r="9"/><path d="M1 2c3 4 5 6 7 8z" fill="#f80"/></g><use href="#g" x="12"/><text y="9">x</text></svg>'
    )
    files["x.csv"] = "\n".join(
        ["id,audio,image,text", *(",".join(f'"{c}"' for c in row.values()) for row in cells)]
    ).encode()
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(cells), buffer)
    files["x.parquet"] = buffer.getvalue()
    return files


def _read_media(path: Path) -> None:
    from ucl.media.decode import read_audio, read_image
    from ucl.media.manifest import MANIFEST, read_manifest

    if path.suffix in (".csv", ".parquet"):
        table = read_manifest(path)
        assert table.schema == MANIFEST
        assert len(table) > 0
    elif path.suffix in (".wav", ".flac", ".ogg", ".mp3", ".opus"):
        wave = read_audio(path, 8000)
        assert wave.ndim == 1
        assert len(wave) > 0
        assert np.isfinite(wave).all()
    else:
        image = np.asarray(read_image(path))
        assert image.ndim == 3
        assert image.shape[2] == 3
        assert image.dtype == np.uint8


def _bound_memory() -> None:
    """No more than `MEMORY` beside what is taken now."""
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _fuzz(name: str, content: bytes, read: Callable[[Path], None], count: int, folder: Path) -> dict[str, int]:
    from ucl.errors import InputError

    told = {"read": 0, "refused": 0}
    path = folder / name
    path.write_bytes(content)
    read(path)
    for i, changed in enumerate(mutations(content, count, zlib.crc32(name.encode()))):
        path.write_bytes(changed)
        start = time.monotonic()
        try:
            read(path)
            told["read"] += 1
        except InputError as error:
            if len(str(error).splitlines()) != 1:
                sys.exit(f"mutation {i} of {name}: not one line: {error!r}")
            told["refused"] += 1
        except Exception:
            print(f"mutation {i} of {name}", flush=True)
            raise
        assert time.monotonic() - start < SECONDS, f"mutation {i} of {name} took {time.monotonic() - start:.1f} s"
    return told


def main(group: str, count: int) -> None:
    import faulthandler

    faulthandler.enable()
    groups = {"matrices": (_matrices, _read_matrix), "media": (_media, _read_media), "own": (_own, _read_own)}
    make, read = groups[group]
    files = make()
    OWN.update(files)
    if group == "media":
        import librosa

        librosa.resample(np.ones(100, np.float32), orig_sr=8000, target_sr=4000)  # loads what a changed rate needs
    with tempfile.TemporaryDirectory() as folder:
        for bounded in (False, True):  # the first round, of whole files, loads the rest
            for name, content in files.items():
                told = _fuzz(name, content, read, count if bounded else 0, Path(folder))
                if bounded:
                    print(json.dumps({name: told}), flush=True)
            if not bounded:
                _bound_memory()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
