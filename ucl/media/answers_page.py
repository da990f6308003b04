"""Queries and their answers as one self-contained page, to look at and to listen to.

Pictures and sounds are in it as small copies that were decoded and written anew (no script, no place where a picture
was taken comes along): the page can be moved and sent. Names link to the files themselves, relative to the page.
"""

import io
import os
from html import escape
from pathlib import Path
from urllib.parse import quote

import soundfile

from ucl.files import write_text
from ucl.media.base import MediaError
from ucl.media.collection import NAMES
from ucl.media.decode import read_audio, read_image, sampling_rate
from ucl.media.search import Answers, Item
from ucl.reporting.document import data_uri, document

__all__ = ["write_page"]

STYLE = """
body { max-width: 74rem; } section { margin-top: 2rem; border-top: 1px solid var(--line); }
h2 { margin: 1rem 0 .6rem; overflow-wrap: anywhere; } .soft { color: var(--soft); }
.asked { max-width: 24rem; } .asked img { max-height: 16rem; }
ol { display: grid; grid-template-columns: repeat(auto-fill, minmax(14rem, 1fr)); gap: 1.2rem; list-style: none;
  margin: 1rem 0; padding: 0; }
li { border: 1px solid var(--line); border-radius: 6px; padding: .7rem; font-size: .9rem; min-width: 0; }
li img, .asked img { display: block; max-width: 100%; border-radius: 4px; background: #fff; }
li img { width: 100%; height: 11rem; object-fit: contain; }
audio { width: 100%; height: 2.4rem; } blockquote { margin: 0; font-size: 1.05rem; overflow-wrap: anywhere; }
h3 { margin: .5rem 0 .1rem; font-size: .95rem; overflow-wrap: anywhere; } p { margin: .2rem 0; } a { color: inherit; }
.why { margin-top: .5rem; } .why div { position: relative; padding: .1rem .4rem; margin: .15rem 0; }
.why i { position: absolute; inset: 0 auto 0 0; background: var(--mark); opacity: .18; border-radius: 3px; }
.why span { position: relative; overflow-wrap: anywhere; }
"""
SIDE = 480  # pixels of a copy, at most
RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)  # that an MP3 can have
SECONDS = 30  # of a copy of a sound, at most
ABOUT = (
    "A score is the log of how much likelier query and answer come together than by chance, up to a constant, ± its "
    "standard error over draws of the bank; the bars are the bank's samples that carry it, with their shares. A score "
    "that is not reliable rests on too few samples of the bank for its error to be believed: its place in the order "
    "may still be right."
)


def write_page(answers: Answers, path: Path) -> None:
    """Write the page."""
    copies: dict[Item, str] = {}
    sections = []
    for row, query in enumerate(answers.queries):
        cards = [_card(answers, (row, rank), copies, path) for rank in range(len(answers.items[row]))]
        shown = f'<div class="asked">{_shown(query, copies)}</div>'
        sections.append(f"<section><h2>{_named(path, query)}</h2>{shown}<ol>{''.join(cards)}</ol></section>")
    modality = answers.items[0][0].modality
    among = f"{answers.candidates:,} {NAMES[modality] if modality else 'candidates'}"
    head = f"<h1>Found among {among}, through a bank of {answers.bank}</h1>"
    write_text(document("ucl search", f'{head}<p class="soft">{ABOUT}</p>{"".join(sections)}', STYLE), path)


def _card(answers: Answers, place: tuple[int, int], copies: dict[Item, str], page: Path) -> str:
    found, item = answers.found, answers.items[place[0]][place[1]]
    score, error = float(found.scores[place]), float(found.standard_errors[place])
    worth = "" if bool(found.reliable[place]) else ' <span class="warning">not reliable</span>'
    note = f'<p class="warning">{escape(item.note)}</p>' if item.note else ""
    bars = "".join(
        f'<div><i style="width:{share:.1%}"></i><span>{share:.0%} {escape(sample)}</span></div>'
        for sample, share in answers.because[place[0]][place[1]]
    )
    name = "" if item.text == item.name else f" {_named(page, item)}"
    return (
        f"<li>{_shown(item, copies)}<h3>{place[1] + 1}.{name}</h3>"
        f'<p>{score:.3g} ± {error:.2g}{worth}</p>{note}<div class="why">{bars}</div></li>'
    )


def _named(page: Path, item: Item) -> str:
    """The name, as a link where there is a file; a line may end after each of its folders."""
    name = escape(item.name).replace("/", "/<wbr>")
    if item.path is None:
        return name
    address = quote(os.path.relpath(item.path.resolve(), page.resolve().parent))
    return f'<a href="{escape(address)}">{name}</a>'


def _shown(item: Item, copies: dict[Item, str]) -> str:
    """The item itself; what cannot be shown is told."""
    if item not in copies:
        try:
            copies[item] = _copy(item)
        except MediaError as error:
            copies[item] = f'<p class="warning">cannot be shown: {escape(error.reason)}</p>'
    return copies[item]


def _copy(item: Item) -> str:
    if item.modality == "text":
        return f"<blockquote>{escape(item.text)}</blockquote>"
    if item.path is None:
        return ""
    if item.modality == "image":
        return f'<img src="{_picture(item.path)}" alt="{escape(item.name)}" loading="lazy">'
    source, cut = _sound(item.path)
    told = f'<p class="soft">the first {SECONDS} seconds</p>' if cut else ""
    return f'<audio controls preload="metadata" src="{source}"></audio>{told}'


def _picture(path: Path) -> str:
    image = read_image(path)
    image.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=85)
    return data_uri("image/jpeg", file.getvalue())


def _sound(path: Path) -> tuple[str, bool]:
    """The beginning of a sound as MP3, which every browser plays, and whether there is more of it."""
    rate = sampling_rate(path)
    rate = rate if rate in RATES else RATES[-1]
    samples = read_audio(path, rate)
    file = io.BytesIO()
    soundfile.write(file, samples[: SECONDS * rate].clip(-1, 1), rate, format="MP3")
    return data_uri("audio/mpeg", file.getvalue()), len(samples) > SECONDS * rate
