"""The suite `stamps` of `bridging` from real media and weights to its numbers and its page, by Snakemake, small."""

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from browser import complaints, opened_browser
from mirror import ROOT
from real_stamps import needs_stamps

from ucl.media.decode import read_audio
from ucl.stamps.models import load_model

pytestmark = [needs_stamps, pytest.mark.timeout(600)]
STAMPS = "results/bridging/stamps"
ALWAYS = {"direct", "monte_carlo", "monte_carlo_normalized", "one_hop", "shuffled", "image_to_text", "audio_to_text"}
PROTOCOLS = {
    "new_words": ALWAYS | {"distilled", "supervised"},
    "new_words_unlisted": ALWAYS | {"supervised"},
    "heard_words": ALWAYS | {"distilled"},
    "sounds": ALWAYS | {"supervised"},
    "sounds_never_trained": ALWAYS,
}
LISTEN = """
const done = arguments[arguments.length - 1];
const loaded = a => a.readyState >= 1 || a.error ? null : new Promise(r => { a.onloadedmetadata = a.onerror = r; });
const heard = async a => {
  await loaded(a);
  const bytes = await (await fetch(a.src)).arrayBuffer();
  const decoded = await new OfflineAudioContext(1, 1, 16000).decodeAudioData(bytes);
  const channels = [...Array(decoded.numberOfChannels).keys()].map(i => decoded.getChannelData(i));
  let peak = 0;
  for (let i = 0; i < decoded.length; i++)
    peak = Math.max(peak, Math.abs(channels.reduce((sum, c) => sum + c[i], 0) / channels.length));
  return [a.duration, peak];
};
Promise.all([...document.querySelectorAll('audio')].map(heard)).then(done, e => done(String(e)));
"""
BROKEN = "return [...document.images].filter(i => !i.naturalWidth || !i.alt.trim()).map(i => i.alt)"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run."""
    folder = tmp_path_factory.mktemp("stamps")
    kept = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    path = os.pathsep.join([str(ROOT), str(ROOT / "workflow/plugins")])  # for `warm`
    done = subprocess.run(
        [
            *(sys.executable, "-c", "import warm; warm.main()", "--directory", str(folder), "--cores", "2"),
            *("--configfile", "tests/stamps/params.yaml", "--", "bridging"),
        ],
        cwd=ROOT,
        env=kept | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def test_the_report_has_every_protocol_and_method(finished: Path) -> None:
    metrics = json.loads((finished / "reports/metrics/bridging.json").read_text())["stamps"]
    assert {protocol: set(methods) for protocol, methods in metrics.items()} == PROTOCOLS
    for methods in metrics.values():
        for entry in methods.values():
            assert set(entry) == {"recall_at_1", "recall_at_5", "ci95", "candidates", "splits"}
            assert entry["splits"] == 1
            assert 0 <= entry["recall_at_1"] <= entry["recall_at_5"] <= 1
        sees = methods["image_to_text"]
        assert sees["recall_at_1"] > 3 / sees["candidates"]  # features and captions belong together


def test_published_models_stand_on_the_weights(finished: Path) -> None:
    for name in ("image_text", "audio_text", "sound_text"):
        _, weights = load_model(name, finished / STAMPS / "models")
        assert weights.resolve() == ROOT / "data/weights"


def test_all_of_the_gallery_can_be_seen_and_heard(finished: Path, tmp_path: Path) -> None:
    """A browser plays every recording, as long and as loud as our own decoder reads it, and shows every picture."""
    page = finished / STAMPS / "gallery.html"
    recordings = re.findall('<audio [^>]*src="data:audio/(ogg|wav);base64,([^"]+)"', page.read_text(encoding="utf-8"))
    with opened_browser(tmp_path / "profile") as browser:
        browser.get(page.as_uri())
        assert browser.execute_script(BROKEN) == []
        assert browser.execute_script("return document.images.length") > 0
        heard = browser.execute_async_script(LISTEN)
        assert complaints(browser) == []
    assert len(heard) == len(recordings) == 4 * 2
    for (kind, content), (seconds, peak) in zip(recordings, heard, strict=True):
        path = tmp_path / f"recording.{kind}"
        path.write_bytes(base64.b64decode(content))
        samples = read_audio(path, 16_000)
        assert seconds == pytest.approx(len(samples) / 16_000, abs=0.05)
        assert peak == pytest.approx(np.abs(samples).max(), rel=0.1)
        assert peak > 0.01
