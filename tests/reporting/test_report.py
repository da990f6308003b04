"""The report says what the metrics say, and its page needs no other file."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from ucl.files import write_json, write_text
from ucl.reporting import templates
from ucl.reporting.report import render

PNG = bytes.fromhex("89504e470d0a1a0a") + bytes(1000)


def prepare(folder: Path, section: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    package = folder / "package"
    monkeypatch.setattr(templates, "PACKAGE", package)
    contents = "{% for t, a in contents %}\n- [{{ t }}](#{{ a }})\n{% endfor %}\n"
    sections = "{% for s in sections %}\n{{ s }}\n{% endfor %}"
    write_text("# Report\n\n" + contents + sections, package / "reporting/page.md.j2")
    write_text("<html><body>{{ body }}</body></html>", package / "reporting/page.html.j2")
    write_text(section, package / "experiments/demo/page.md.j2")
    write_json({"direct": {"recall_at_1": 0.12345, "sd": 0.01}}, folder / "reports/metrics/demo.json")
    write_text("| k | v |\n|:--|--:|\n| one | 1 |\n", folder / "reports/tables/demo.md")
    write_text("k,v\none,1\n", folder / "reports/tables/demo.csv")
    write_text("<svg xmlns='http://www.w3.org/2000/svg'/>", folder / "reports/figures/small.svg")
    write_text("<svg>" + " " * 300_000 + "</svg>", folder / "reports/figures/large.svg")
    for name in ("small", "large"):  # the page shows the smaller of the two files
        (folder / f"reports/figures/{name}.png").write_bytes(PNG)
    return {
        "experiments": ["demo"],
        "params": {"demo": {"seeds": 7}},
        "markdown_path": folder / "reports/README.md",
        "html_path": folder / "reports/index.html",
    }


def test_numbers_tables_and_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    section = "## a demo: plain\n\n{{ params.seeds }} seeds: {{ metrics.direct | pm }}\n\n{{ table('demo') }}\n"
    section += "{{ csv('demo').loc[0, 'v'] }}\n\n{{ figure('small', 'A caption') }}\n{{ figure('large', 'Another') }}"
    arguments = prepare(tmp_path, section, monkeypatch)
    render(**arguments)  # type: ignore[arg-type]
    text = (tmp_path / "reports/README.md").read_text()
    assert "7 seeds: 0.123 ± 0.010" in text
    assert "![A caption](figures/small.svg)" in text
    page = (tmp_path / "reports/index.html").read_text()
    assert '<a href="#a-demo-plain">a demo: plain</a>' in page
    assert '<h2 id="a-demo-plain">' in page
    assert re.search(r"<td[^>]*>one</td>", page)
    sources = re.findall(r'src="([^"]{0,24})', page)
    assert [source.split(";")[0] for source in sources] == ["data:image/svg+xml", "data:image/png"]


def test_a_number_that_is_not_there_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = prepare(tmp_path, "{{ metrics.monte_carlo.recall_at_1 }}", monkeypatch)
    with pytest.raises(UndefinedError):
        render(**arguments)  # type: ignore[arg-type]
    assert not (tmp_path / "reports/index.html").exists()


def test_what_draws_logs_or_renders_loads_no_torch() -> None:
    """Each is a process of its own in the workflow, and importing torch takes longer than its work."""
    figures = ["synthetic", "disparate", "independence", "scaling", "lemmas", "peers", "diagnosis", "bridging"]
    modules = ["reporting.tracking", "reporting.report", "reporting.tables", "experiments.peers.which_bridge", "logs"]
    modules += [f"experiments.{name}.figures" for name in figures]
    modules += [f"experiments.{name}.summary" for name in figures if name != "bridging"]
    code = f"import sys, {', '.join(f'ucl.{name}' for name in modules)}; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
