"""What the workflow's jobs were measured to need -> workflow/measured.csv, which every rule's resources come from.

    python -m bench.job_needs results/benchmarks [more folders ...] [--demo demo/results/benchmarks]

For each rule the most memory (resident, MB) and the most seconds of its jobs in the folders' `benchmark` files; for
rules that no folder of paper scale holds, those of the demo, marked so. What a folder measures anew replaces what the
table says; a row of paper scale is never replaced by one of the demo.
"""

import csv
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "workflow/measured.csv"
FIELDS = ("rule", "megabytes", "seconds", "jobs", "scale")


def patterns() -> dict[str, str]:
    """Rule -> what its benchmark files are called, wildcards in braces, below results/benchmarks."""
    found: dict[str, str] = {}
    for file in sorted((ROOT / "workflow/rules").glob("*.smk")):
        text = file.read_text()
        for name, body in re.findall(r"^(?:use )?rule (?:\w+ as )?(\w+)[^\n]*:\n(.*?)(?=^\S|\Z)", text, re.S | re.M):
            if bench := re.search(r'benchmark:\s+"results/benchmarks/([^"]+)"', body):
                found[name] = bench[1]
    return found


def rule_of(path: str, known: dict[str, str]) -> str | None:
    """The rule with the most literal pattern that a benchmark file fits."""
    fits = []
    for rule, pattern in known.items():
        regex = "".join(
            re.escape(p) if i % 2 == 0 else _wildcard(p) for i, p in enumerate(re.split(r"\{(\w+)\}", pattern))
        )
        if re.fullmatch(regex, path):
            fits.append((len(re.sub(r"\{\w+\}", "", pattern)), rule))
    return max(fits)[1] if fits else None


def _wildcard(name: str) -> str:
    return r"\d+-of-\d+" if name == "scatteritem" else r"[^/]+"


def measured(folder: Path, scale: str) -> dict[str, dict[str, object]]:
    """A row of the table for each rule of which there are benchmark files."""
    known, rows = patterns(), {}
    for path in sorted(folder.rglob("*.tsv")):
        rule = rule_of(str(path.relative_to(folder)), known)
        lines = list(csv.DictReader(path.read_text().splitlines(), delimiter="\t"))
        if rule is None or not lines:
            continue
        row = rows.setdefault(rule, {"rule": rule, "megabytes": 0, "seconds": 0, "jobs": 0, "scale": scale})
        for line in lines:
            memory = line["max_rss"]  # a job of less than a second has none
            row["megabytes"] = max(row["megabytes"], 0 if memory in ("-", "NA") else round(float(memory)))
            row["seconds"] = max(row["seconds"], round(float(line["s"])))
            row["jobs"] += 1
    return rows


def main(words: list[str]) -> None:
    """Bring the table up to date."""
    text = TABLE.read_text().splitlines() if TABLE.exists() else []
    table = {row["rule"]: row for row in csv.DictReader(text)}
    demo = words.index("--demo") if "--demo" in words else len(words)
    paper: dict[str, dict[str, object]] = {}
    for folder in words[:demo]:
        for rule, row in measured(Path(folder), "paper").items():
            old = paper.setdefault(rule, row)
            if old is not row:
                for key, join in (("megabytes", max), ("seconds", max), ("jobs", lambda x, y: x + y)):
                    old[key] = join(old[key], row[key])
    small = {k: v for folder in words[demo + 1 :] for k, v in measured(Path(folder), "demo").items()}
    kept = {rule: row for rule, row in table.items() if row["scale"] == "paper"}
    table = {**{r: row for r, row in table.items() if row["scale"] == "demo"}, **small, **kept, **paper}
    known = patterns()
    with TABLE.open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(table[rule] for rule in sorted(table) if rule in known)
    print(f"{TABLE}: {len(table)} rules; not measured: {', '.join(sorted(set(known) - set(table))) or 'none'}")


if __name__ == "__main__":
    main(sys.argv[1:])
