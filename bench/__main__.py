"""`python -m bench [name ...]`: run the benchmarks and write reports/benchmarks.md."""

import argparse
import datetime
import importlib
import os
import pkgutil
import platform
import re
from pathlib import Path

import torch

import bench
from bench import Line
from ucl.files import write_text

REPORT = Path("reports/benchmarks.md")


def machine() -> str:
    """The machine in words: processor, cores, memory, GPU."""
    cpuinfo = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", cpuinfo.read_text()) if cpuinfo.exists() else None
    model = found.group(1).strip() if found else platform.processor() or platform.machine()
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30 if hasattr(os, "sysconf") else float("nan")
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    return f"{model}, {os.cpu_count()} cores, {pages:.0f} GiB memory, {gpu}; load before the run {load:.1f}"


def section(name: str) -> str | None:
    """Run one module; its section of the report, None where this machine has not what it measures."""
    module = importlib.import_module(f"bench.bench_{name}")
    print(f"\n{module.TITLE}", flush=True)
    head = [
        f"## {module.TITLE}",
        "",
        f"{datetime.date.today().isoformat()}; {machine()}; Python {platform.python_version()}, "
        f"torch {torch.__version__} on {torch.get_num_threads()} threads.",
        "",
        "| what | ours | peer | theirs | ratio | bar | met |",
        "|---|---|---|---|---|---|---|",
    ]
    rows = []
    for line in module.run():
        print(f"  {line.what}: {line.ours}" + (f"; {line.peer}: {line.theirs}" if line.peer else ""), flush=True)
        rows.append(row(line))
    return "\n".join([*head, *rows]) + "\n" if rows else None


def row(line: Line) -> str:
    """A line of the table."""
    ratio = "" if line.ratio is None else f"{line.ratio:.2f}" if line.ratio < 10 else f"{line.ratio:.0f}"
    met = {True: "yes", False: "**no**", None: ""}[line.met]
    return f"| {line.what} | {line.ours} | {line.peer} | {line.theirs} | {ratio} | {line.bar} | {met} |"


def main() -> None:
    known = sorted(
        m.name.removeprefix("bench_") for m in pkgutil.iter_modules(bench.__path__) if m.name.startswith("bench_")
    )
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"benchmarks to run, of {', '.join(known)}; all by default")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of torch; all cores by default")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(known))
    if unknown:
        parser.error(f"no benchmark called {', '.join(unknown)}; there are {', '.join(known)}")
    torch.set_num_threads(options.threads)
    kept = {name: f"## {part}" for name, part in earlier(known).items()}
    for name in options.names or known:
        found = section(name)
        if found is None:  # the figures of a machine that has it stay
            continue
        kept[name] = found
        write_text(HEAD + "\n".join(f"<!-- {name} -->\n{kept[name]}" for name in known if name in kept), REPORT)


def earlier(known: list[str]) -> dict[str, str]:
    """Sections of the report that is there, by name."""
    text = REPORT.read_text(encoding="utf-8") if REPORT.exists() else ""
    parts = re.findall(r"<!-- (\w+) -->\n## (.*?)(?=\n<!-- |\Z)", text, flags=re.DOTALL)
    return {name: part.rstrip("\n") + "\n" for name, part in parts if name in known}


HEAD = """# Benchmarks

Written by `make bench`. Ratios compare figures of one run on one machine; medians, ours and the peers' taking turns.

"""

if __name__ == "__main__":
    main()
