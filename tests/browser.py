"""A real browser without a window, for tests of pages; they are skipped where there is none."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium import webdriver

SWITCHES = [
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--hide-scrollbars"),
]


@contextmanager
def opened_browser(profile: Path) -> Iterator[webdriver.Chrome]:
    """Chromium with an empty profile, which lists what its console says."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("no browser here: install chromium and chromium-driver by the system's package manager")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for switch in (*SWITCHES, f"--user-data-dir={profile}"):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    opened = webdriver.Chrome(options, webdriver.ChromeService(driver))
    try:
        yield opened
    finally:
        opened.quit()


def complaints(browser: webdriver.Chrome) -> list[dict[str, object]]:
    """Errors that the console of a page has told since it was asked last."""
    return [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
