"""The Hugging Face hub without surprises: the cache is asked first, the network once and briefly, then one clear line.

The libraries retry for minutes when a host is out of reach. Here a file is in the cache, or the hub answers within
seconds, or `InputError` says what is missing; the libraries then run with the hub's offline mode on.
"""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

import huggingface_hub
from huggingface_hub import constants, try_to_load_from_cache

from ucl.errors import InputError

__all__ = ["cached", "fetch", "hub_offline", "hub_reachable", "missing_line", "reachable"]


def reachable(url: str, seconds: float = 2.0) -> bool:
    """Whether the host of `url` (or the proxy for it) accepts a connection within `seconds`, name lookup included."""
    target = urlsplit(url)
    proxy = getproxies().get(target.scheme)
    target = urlsplit(proxy) if proxy else target
    port = target.port or {"http": 80, "https": 443}.get(target.scheme, 443)

    answers: list[bool] = []

    def connect() -> None:
        try:
            socket.create_connection((target.hostname, port), timeout=seconds).close()
            answers.append(True)
        except OSError:
            pass

    # A thread of its own: a name server that does not answer cannot be given a time limit.
    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(seconds)
    return bool(answers)


def hub_reachable() -> bool:
    """Whether the hub may be asked (HF_HUB_OFFLINE is not set) and answers."""
    return not constants.HF_HUB_OFFLINE and reachable(constants.ENDPOINT)


def cached(repo: str, names: tuple[str, ...]) -> Path | None:
    """The first of `names` that the hub cache holds of `repo`."""
    for name in names:
        found = try_to_load_from_cache(repo, name, cache_dir=constants.HF_HUB_CACHE)
        if isinstance(found, str):
            return Path(found)
    return None


def missing_line(repo: str, *names: str) -> str:
    """What is missing and what to do about it."""
    why = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else f"{constants.ENDPOINT} is out of reach"
    return (
        f"{repo}: {', '.join(names)} not in the hub cache ({constants.HF_HUB_CACHE}) and {why}; with network run "
        f"`hf download {repo} {' '.join(names)}` (the cache can be copied here), or give a path as weights"
    )


def fetch(repo: str, name: str) -> Path:
    """A file of the hub: from the cache, else downloaded, else `InputError` at once."""
    found = cached(repo, (name,))
    if found is not None:
        return found
    if not hub_reachable():
        raise InputError(missing_line(repo, name))
    try:
        return Path(huggingface_hub.hf_hub_download(repo, name))
    except (huggingface_hub.errors.HfHubHTTPError, OSError) as error:
        raise InputError(f"{repo}: {name} could not be downloaded: {str(error).splitlines()[0]}") from None


@contextmanager
def hub_offline() -> Iterator[None]:
    """Whatever a library asks of the hub inside this block comes from the cache, without a single request."""
    before, environment = constants.HF_HUB_OFFLINE, os.environ.get("HF_HUB_OFFLINE")
    constants.HF_HUB_OFFLINE = True
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
        if environment is None:
            del os.environ["HF_HUB_OFFLINE"]
        else:
            os.environ["HF_HUB_OFFLINE"] = environment
