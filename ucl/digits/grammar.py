"""Phrases about digits, each with its exact meaning: the set of digits it is true of.

Some name one digit ("three", "le chiffre trois", "two plus one"), some leave it open ("an odd number above five").
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

__all__ = ["DIGITS", "NUMBER_WORDS", "Phrase", "grammar"]

DIGITS = range(10)
NUMBER_WORDS = {
    "en": ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    "de": ("null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"),
    "es": ("cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve"),
    "fr": ("zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf"),
    "it": ("zero", "uno", "due", "tre", "quattro", "cinque", "sei", "sette", "otto", "nove"),
}
NAMING = {
    "en": ("{}", "the number {}", "the digit {}"),
    "de": ("{}", "die Zahl {}", "die Ziffer {}"),
    "es": ("{}", "el número {}", "la cifra {}"),
    "fr": ("{}", "le nombre {}", "le chiffre {}"),
    "it": ("{}", "il numero {}", "la cifra {}"),
}
PROPERTIES = {
    "a number": frozenset(DIGITS),
    "an odd number": frozenset({1, 3, 5, 7, 9}),
    "an even number": frozenset({0, 2, 4, 6, 8}),
    "a prime number": frozenset({2, 3, 5, 7}),
    "a square number": frozenset({0, 1, 4, 9}),
    "a multiple of three": frozenset({0, 3, 6, 9}),
}


@dataclass(frozen=True)
class Phrase:
    """A phrase, its language, and the digits it is true of (never none)."""

    text: str
    language: str
    digits: frozenset[int]


def grammar() -> tuple[Phrase, ...]:
    """Every phrase once, in a fixed order. What means nothing ("an even number above eight") is left out.

    Homographs of two languages ("zero", "uno", "six") are one phrase, with the language that comes first.
    """
    phrases: dict[str, Phrase] = {}
    for phrase in (*_names(), *_sums(), *_descriptions()):
        if phrase.digits:
            phrases.setdefault(phrase.text, phrase)
    return tuple(phrases.values())


def _names() -> Iterator[Phrase]:
    for language, words in NUMBER_WORDS.items():
        for template, (digit, word) in product(NAMING[language], enumerate(words)):
            yield Phrase(template.format(word), language, frozenset({digit}))


def _sums() -> Iterator[Phrase]:
    """Exact descriptions in English; results outside 0 to 9 have no phrase."""
    word = NUMBER_WORDS["en"]
    for a, b in product(range(1, 10), repeat=2):
        yield Phrase(f"{word[a]} plus {word[b]}", "en", frozenset({a + b} & set(DIGITS)))
        yield Phrase(f"{word[a]} minus {word[b]}", "en", frozenset({a - b} & set(DIGITS)))
    for a in DIGITS:
        yield Phrase(f"the number after {word[a]}", "en", frozenset({a + 1} & set(DIGITS)))
        yield Phrase(f"the number before {word[a]}", "en", frozenset({a - 1} & set(DIGITS)))
        yield Phrase(f"twice {word[a]}", "en", frozenset({2 * a} & set(DIGITS)))


def _descriptions() -> Iterator[Phrase]:
    """Properties in English, alone and with a range."""
    for (name, having), (where, inside) in product(PROPERTIES.items(), _ranges()):
        yield Phrase(f"{name}{where}", "en", having & inside)


def _ranges() -> Iterator[tuple[str, frozenset[int]]]:
    word = NUMBER_WORDS["en"]
    yield "", frozenset(DIGITS)
    for a in DIGITS:
        yield f" above {word[a]}", frozenset(range(a + 1, 10))
        yield f" below {word[a]}", frozenset(range(a))
        yield f" other than {word[a]}", frozenset(DIGITS) - {a}
    for a, b in product(DIGITS, repeat=2):
        if a < b <= a + 3:
            yield f" from {word[a]} to {word[b]}", frozenset(range(a, b + 1))
