"""What a `User-Agent` says of a device, in words: a guess by which people recognise their own."""

from __future__ import annotations

import re
from functools import lru_cache

# In this order: most browsers also claim to be those that come after them.
_BROWSERS = (
    ("Edg(?:e|A|iOS)?/", "Edge"),
    ("OPR/|Opera", "Opera"),
    ("YaBrowser/", "Yandex Browser"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("Firefox/|FxiOS/", "Firefox"),
    ("Chrom(?:e|ium)/|CriOS/|HeadlessChrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("^curl/", "curl"),
    ("^Wget/", "Wget"),
    ("^HTTPie/", "HTTPie"),
    ("^PostmanRuntime/", "Postman"),
    ("^python-|^Python/|^aiohttp", "Python"),
    ("^Go-http-client/", "Go"),
    ("^okhttp/|^Java/|^Apache-HttpClient", "Java"),
    ("^node|^axios/|^undici", "Node.js"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X|Macintosh", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux|X11", "Linux"),
)


@lru_cache(maxsize=128)
def describe(user_agent: str | None) -> str | None:
    """Such as `Firefox, Linux` or `curl`; None for what nobody would recognise."""
    words = [_first(_BROWSERS, user_agent or ""), _first(_SYSTEMS, user_agent or "")]
    return ", ".join(word for word in words if word) or None


def _first(known: tuple[tuple[str, str], ...], user_agent: str) -> str | None:
    return next((name for pattern, name in known if re.search(pattern, user_agent)), None)
