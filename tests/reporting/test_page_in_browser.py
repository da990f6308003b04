"""The committed report in a real browser: nothing is wider than the page, nothing fails, everything can be read."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import complaints, opened_browser
from selenium import webdriver

PAGE = Path(__file__).parents[2] / "reports/index.html"
WIDTHS = (390, 768, 1280)
WIDER = """
const inside = e => e.closest('.table, nav, pre, p:has(> img)') !== null;
return [...document.body.querySelectorAll('*')].filter(e => !inside(e) || e.matches('.table, nav, p:has(> img)'))
  .filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map(e => e.tagName + ' ' + e.className + ' ' + e.textContent.trim().slice(0, 60));
"""
STICKING_OUT = """
return [...document.querySelectorAll('.claim img')].filter(i =>
  i.getBoundingClientRect().right > i.closest('.claim').getBoundingClientRect().right + .5).map(i => i.alt);
"""
CONTRAST = """
const rgb = c => c.match(/[\\d.]+/g).map(Number);
const linear = v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
const light = c => { const [r, g, b] = rgb(c).map(v => linear(v / 255)); return .2126 * r + .7152 * g + .0722 * b; };
const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
  if (rgb(c)[3] !== 0) return c; } return 'rgb(255, 255, 255)'; };
const own = e => [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
return [...document.body.querySelectorAll('*')].filter(own).map(e => {
  const [x, y] = [light(getComputedStyle(e).color), light(ground(e))].sort((a, b) => b - a);
  return [(x + .05) / (y + .05), e.tagName + ' ' + e.textContent.trim().slice(0, 40)]; }).filter(([c]) => c < 4.5);
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with opened_browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def show(browser: webdriver.Chrome, width: int, scheme: str = "light") -> None:
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    size = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(PAGE.as_uri())


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_page_and_nothing_fails(browser: webdriver.Chrome, width: int) -> None:
    show(browser, width)
    assert browser.execute_script("return document.documentElement.clientWidth") == width
    assert browser.execute_script(WIDER) == []
    assert browser.execute_script(STICKING_OUT) == []  # thumbnails, each within its claim
    assert complaints(browser) == []


def test_every_picture_is_there_and_has_words(browser: webdriver.Chrome) -> None:
    show(browser, 1280)
    broken = "return [...document.images].filter(i => !i.naturalWidth || !i.alt.trim()).map(i => i.id || i.alt)"
    assert browser.execute_script(broken) == []
    assert browser.execute_script("return document.images.length") > 10


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_words_have_the_contrast_of_aa(browser: webdriver.Chrome, scheme: str) -> None:
    show(browser, 1280, scheme)
    assert browser.execute_script(CONTRAST) == []


def test_every_link_leads_somewhere(browser: webdriver.Chrome) -> None:
    show(browser, 1280)
    dead = (
        "return [...document.querySelectorAll('a[href^=\"#\"]')].map(a => a.getAttribute('href'))"
        ".filter(h => !document.getElementById(decodeURIComponent(h.slice(1))))"
    )
    assert browser.execute_script(dead) == []


def test_the_claims_are_the_first_screen_and_the_page_is_short(browser: webdriver.Chrome) -> None:
    bottom = "return document.querySelector('.claims').getBoundingClientRect().bottom"
    show(browser, 1280)
    assert browser.execute_script(bottom) <= 1000  # every claim of the paper on one desktop screen
    assert browser.execute_script("return document.documentElement.scrollHeight") <= 12 * 1000
    show(browser, 390)
    assert browser.execute_script(bottom) <= 3 * 844
