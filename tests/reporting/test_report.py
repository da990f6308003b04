"""The report says what the metrics say, and its page needs no other file."""

import re
import subprocess
import sys
from base64 import b64decode
from io import BytesIO
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from jinja2 import UndefinedError
from mirror import ROOT
from PIL import Image
from PIL.ImageSequence import Iterator

from ucl.experiments.params import read_yaml, validate
from ucl.files import write_json, write_text
from ucl.reporting import templates
from ucl.reporting.claims import Claim, Verdict
from ucl.reporting.report import render
from ucl.reporting.scale import reductions


def prepare(folder: Path, section: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    package = folder / "package"
    for name in ("page.md.j2", "page.html.j2"):
        write_text((templates.PACKAGE / "reporting" / name).read_text(), package / "reporting" / name)
    monkeypatch.setattr(templates, "PACKAGE", package)
    said = ModuleType("ucl.experiments.demo.claims")
    claim = Claim("Fig. 1", "A < B.", Verdict.FAILS, "0.1 ± 0.2", "small")
    said.claims = lambda metrics, params, csv: [claim]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, said.__name__, said)
    write_text(section, package / "experiments/demo/page.md.j2")
    write_json({"direct": {"recall_at_1": 0.12345, "sd": 0.01}}, folder / "reports/metrics/demo.json")
    write_text("| k | v |\n|:--|--:|\n| one | 1 |\n", folder / "reports/tables/demo.md")
    write_text("k,v\none,1\n", folder / "reports/tables/demo.csv")
    write_text("<svg xmlns='http://www.w3.org/2000/svg'/>", folder / "reports/figures/small.svg")
    write_text("<svg>" + " " * 300_000 + "</svg>", folder / "reports/figures/large.svg")
    for name in ("small", "large"):  # the page shows the smaller of the two files
        Image.new("RGB", (300, 200), "white").save(folder / f"reports/figures/{name}.png")
    return {
        "experiments": ["demo"],
        "params": {"demo": {"seeds": 7}},
        "full": {"demo": {"seeds": 20}},
        "markdown_path": folder / "reports/README.md",
        "html_path": folder / "reports/index.html",
        "text_path": folder / "reports/claims.txt",
    }


def test_numbers_tables_and_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    section = "## a demo: plain\n\n{{ params.seeds }} seeds: {{ metrics.direct | pm }}\n\n{{ table('demo') }}\n"
    section += "{{ csv('demo').loc[0, 'v'] }}\n\n{{ figure('small', 'A caption') }}\n{{ figure('large', 'Another') }}"
    arguments = prepare(tmp_path, section, monkeypatch)
    render(**arguments)  # type: ignore[arg-type]
    text = (tmp_path / "reports/README.md").read_text()
    assert "7 seeds: 0.123 ± 0.010" in text
    assert "![A caption](figures/small.svg)" in text
    assert "*Figure 2. Another*" in text
    page = (tmp_path / "reports/index.html").read_text()
    assert '<a href="#a-demo-plain">a demo</a>' in page
    assert '<h2 id="a-demo-plain">' in page
    assert re.search(r"<td[^>]*>one</td>", page)
    figures = re.findall(r'id="(small|large)" src="(data:image/[a-z+]+)', page)
    assert figures == [("small", "data:image/svg+xml"), ("large", "data:image/webp")]
    assert "http" not in re.sub(r"data:[^\"]+|http://www.w3.org/2000/svg", "", page)  # refers to nothing outside itself


def test_pictures_and_animations_on_the_page_are_the_files_pixel_for_pixel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = prepare(
        tmp_path, "## a demo: plain\n\n{{ figure('large', 'A') }}\n\n![B](figures/moves.gif)", monkeypatch
    )
    noise = np.random.default_rng(0).integers(256, size=(3, 20, 30, 3), dtype=np.uint8)
    first, *others = [Image.fromarray(frame).quantize(48) for frame in noise]
    first.save(tmp_path / "reports/figures/large.png")
    first.save(tmp_path / "reports/figures/moves.gif", save_all=True, append_images=others, duration=[90, 20, 350])
    render(**arguments)  # type: ignore[arg-type]
    page = (tmp_path / "reports/index.html").read_text()
    for name, count in (("large.png", 1), ("moves.gif", 3)):
        found = re.search(rf'id="{name[:5]}" src="data:image/webp;base64,([^"]+)"', page)
        assert found is not None
        file = (tmp_path / "reports/figures" / name).read_bytes()
        shown, expected = (
            [(frame.convert("RGB").tobytes(), frame.info.get("duration", 0)) for frame in Iterator(Image.open(content))]
            for content in (BytesIO(b64decode(found[1])), BytesIO(file))
        )
        assert len(shown) == count
        assert shown == expected


def test_claims_come_first_with_verdict_number_and_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = prepare(tmp_path, "## a demo: plain\n\n{{ figure('small', 'A caption') }}", monkeypatch)
    render(**arguments)  # type: ignore[arg-type]
    text, page = ((tmp_path / "reports" / name).read_text() for name in ("README.md", "index.html"))
    assert text.index("| Fig. 1 | A < B. | **does not hold** | 0.1 ± 0.2 |") < text.index("## a demo")
    assert page.index("A &lt; B.") < page.index("<main>")
    assert '<div class="verdict fails">does not hold</div>' in page
    terminal = (tmp_path / "reports/claims.txt").read_text().splitlines()
    assert terminal == ["does not hold           Fig. 1: A < B.", " " * 24 + "0.1 ± 0.2"]
    assert re.search(r'<a href="#small"><img src="data:image/png;base64,[^"]+" alt="[^"]+"></a>', page)


def test_the_committed_report_is_what_the_committed_numbers_give(tmp_path: Path) -> None:
    """No template, claim or number was changed without the page."""
    for name in ("figures", "metrics", "tables"):
        (tmp_path / name).symlink_to(ROOT / "reports" / name)
    params = validate(read_yaml(ROOT / "params.yaml")).model_dump()
    known = re.findall(r"workflow/rules/(\w+)\.smk", (ROOT / "Snakefile").read_text())
    experiments = [name for name in known if (ROOT / f"reports/metrics/{name}.json").exists()]
    made = ("README.md", "index.html", "claims.txt")
    render(experiments, params, params, *(tmp_path / name for name in made))
    for name in ("README.md", "claims.txt"):
        assert (tmp_path / name).read_text() == (ROOT / "reports" / name).read_text(), name
    headings = re.findall(r"(.*)\n(## .+)", (tmp_path / "README.md").read_text())
    assert [heading for before, heading in headings if before] == []  # behind `</details>` it would be plain text


def test_a_run_at_reduced_scale_says_so_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = prepare(tmp_path, "## a demo: plain", monkeypatch)
    render(**arguments)  # type: ignore[arg-type]
    text, page = ((tmp_path / "reports" / name).read_text() for name in ("README.md", "index.html"))
    assert "do not quote these numbers" in page[: page.index("<section")]
    assert "demo: seeds 7 of 20." in text[: text.index("## What the paper")]
    render(**arguments | {"full": arguments["params"]})  # type: ignore[arg-type]
    assert "do not quote" not in (tmp_path / "reports/index.html").read_text()


def test_what_is_smaller_than_at_paper_scale() -> None:
    full = {"a": {"seeds": 20, "scale": {"bank": 5000, "rate": 0.1}, "worlds": ["x", "y"], "name": "l2"}, "b": {"n": 1}}
    given = {"a": {"seeds": 3, "scale": {"bank": 5000, "rate": 0.01}, "worlds": ["y"], "name": "dot"}, "b": {"n": 2}}
    assert reductions(given, full) == {"a": ["seeds 3 of 20", "scale.rate 0.01 of 0.1", "worlds 1 of 2"]}
    assert reductions(full, full) == {}


def test_a_number_that_is_not_there_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = prepare(tmp_path, "{{ metrics.monte_carlo.recall_at_1 }}", monkeypatch)
    with pytest.raises(UndefinedError):
        render(**arguments)  # type: ignore[arg-type]
    assert not (tmp_path / "reports/index.html").exists()


def test_what_draws_logs_or_renders_loads_no_torch() -> None:
    """Each is a process of its own in the workflow, and importing torch takes longer than its work."""
    figures = [
        "synthetic",
        "disparate",
        "independence",
        "scaling",
        "lemmas",
        "peers",
        "diagnosis",
        "bridging",
        "explore",
    ]
    modules = [
        "experiments.params",
        "media.requirements",
        "reporting.tracking",
        "reporting.report",
        "reporting.tables",
        "experiments.peers.which_bridge",
        "logs",
    ]
    modules += [f"experiments.{name}.{what}" for name in figures for what in ("figures", "claims")]
    modules += [f"experiments.{name}.summary" for name in figures if name != "bridging"]
    code = f"import sys, {', '.join(f'ucl.{name}' for name in modules)}; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
