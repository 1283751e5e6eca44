"""A repository's own Dockerfile, read as the classic builder reads it, and written anew.

What is sent is what was checked, one line an instruction: no second reading of continuations, comments
and quotes can differ. A build may take public images, never another customer's: the daemon would take
`FROM 3f` or `COPY --from=3f` for the beginning of the id of any image that it has. And the daemon itself,
not the build, would fetch what ADD names by URL, and unpack what it names of the repository.

Only what is listed here passes; what Docker may read otherwise than we do is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from backend.engines.base import EngineError
from backend.engines.detect import read_text
from backend.engines.docker import buildsecrets
from backend.engines.docker.buildsecrets import Asking
from backend.engines.docker.variables import Growth, invalid, label

OWN_NAMES = "gavan/"
"""Where the images of customers' builds are kept."""

SHARED = "gavan-"
"""Begins the names of stages that all projects may have the cache of."""

LONGEST_NAME = 500
MOST_INSTRUCTIONS = 300
MOST_VOLUMES = 10
KNOWN = frozenset(
    (
        *("ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL"),
        *("MAINTAINER", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"),
    )
)

_CONTINUED = re.compile(r"\\[ \t]*$")
_ESCAPE = re.compile(r"\s*#\s*escape\s*=\s*(\S+)", re.IGNORECASE)
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_BLANKS = re.compile(r"[ \t]+")
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?:(:?[-+])([^${}]*))?\})", re.ASCII)
_PART = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?:[a-z0-9][a-z0-9.-]*(?::[0-9]{{1,5}})?/)?{_PART}(?:/{_PART})*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
_IMAGE_ID = re.compile(r"(?:sha[0-9]+:)?[0-9a-f]+", re.IGNORECASE)
_ALIAS = re.compile(r"[a-z][a-z0-9_.-]*", re.IGNORECASE | re.ASCII)
_INDEX = re.compile(r"[0-9]{1,3}")
_LEADING = re.compile(r"(--\S*)\s*")
_FLAG = re.compile(r"--[a-z-]+(?:=[\w.,:@/+${}-]*)?", re.ASCII)
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:/|git@|github\.com/", re.IGNORECASE)
_ARCHIVE = re.compile(r"\.(?:tar|tar\.\w+|t[bgx]z2?)$", re.IGNORECASE | re.ASCII)
_PLAIN_PATH = re.compile(r"(?:/[A-Za-z0-9_][\w.-]*)+/?", re.ASCII)
_ONLY_FASTER = re.compile(r"--mount=type=cache\S*|--mount=\S*,type=cache\S*|--link(?:=true)?")
"""Flags of BuildKit without which the outcome is the same."""
_AGENT = re.compile(r"--mount=(?=(?:\S*,)?type=ssh(?:,|$))\S+")
_SHELL = ("/bin/sh", "-c")
_HEREDOC = re.compile(r"(?:^|\s)[0-9]*<<-?\s*[\"']?[A-Za-z_]\w*[\"']?(?:\s|$)")


@dataclass(frozen=True, slots=True)
class OwnFile:
    stages: list[list[str]] = field(default_factory=list)
    """Instructions; the first group is what precedes the first FROM."""
    images: list[str] = field(default_factory=list)
    """All that it takes from elsewhere."""
    arguments: frozenset[str] = frozenset()
    """Names that it declares by ARG."""
    volumes: list[str] = field(default_factory=list)
    """Of all stages: an image has them from its last instruction on, when no more commands can fill them."""
    dropped: list[str] = field(default_factory=list)
    """Paths of volumes that it asks for and cannot have."""
    asking: dict[str, Asking] = field(default_factory=dict)
    """Instructions that take secrets."""

    def text(
        self, label: str, certificates: Sequence[str], *, last: bool = True, shared: str | None = None
    ) -> str:
        """With `label` at the beginning of each stage, then `certificates`; of the last one only if `last`.

        Stages that hold nothing of the repository's are named SHARED, and get the label `shared`.
        """
        lines = list(self.stages[0])
        for stage in self.stages[1:]:
            words = stage[0].split()
            # An empty image has nothing that could trust anybody.
            trusting = words[1] != "scratch" and (last or stage is not self.stages[-1])
            everybodys = shared is not None and words[-1].startswith(SHARED)
            lines += [stage[0], shared if shared and everybodys else label]
            lines += [*(certificates if trusting else ()), *stage[1:]]
        if self.volumes:
            lines.append("VOLUME " + json.dumps(self.volumes))
        return "\n".join(lines) + "\n"


def find(source: Path, path: str) -> str | None:
    """The Dockerfile's text; None where there is none, and none was asked for. Links are not followed."""
    if not path:
        return read_text(source, "Dockerfile")
    folder = (source / path).parent.resolve()
    inside = folder == source.resolve() or source.resolve() in folder.parents
    text = read_text(folder, Path(path).name) if inside else None
    if text is None:
        message = f"The source has no Dockerfile {path}."
        raise EngineError("build_failed", message, detail="dockerfile_missing", path=path)
    return text


def read(text: str, given: Mapping[str, str] | None = None, target: str = "") -> OwnFile:
    """With the build arguments `given`, up to the stage `target`; what comes behind it is not there.

    Raises `build_failed`: for what is no Dockerfile, for images that no build may take.
    """
    own = OwnFile(stages=[[]])
    aliases: list[str] = []
    arguments: dict[str, str] = {}
    declared: set[str] = set()
    growth = Growth(given or ())
    instructions = _instructions(text.replace("\ufeff", ""))
    if len(instructions) > MOST_INSTRUCTIONS:
        raise invalid(f"it has more than {MOST_INSTRUCTIONS} instructions")
    for line in instructions:
        name, _, rest = _BLANKS.sub(" ", line, count=1).partition(" ")
        # Nothing but ASCII: `ı`.upper() is `I`, to Docker as well.
        name = name.upper() if name.isascii() else name
        _check_place(name, first=not aliases)
        growth.check(name, rest)
        if name == "ARG":
            declared |= {word.partition("=")[0] for word in rest.split()}
            if not aliases:
                for word in rest.split():
                    key, _, value = word.partition("=")
                    arguments[key] = (given or {}).get(key) or _expanded(value.strip("\"'"), arguments)
        if name == "FROM" and aliases and _is_target(target, aliases):
            break
        if name == "FROM":
            image, alias = _from(rest, arguments)
            if image and image.lower() in aliases:
                image = image.lower()
            elif image != "scratch":
                own.images.append(_allowed(image))
            if alias and alias.lower() in aliases:
                raise invalid(f"two stages are called {alias}")
            aliases.append(alias.lower())
            own.stages.append([f"FROM {image}" + (f" AS {alias}" if alias else "")])
        elif name == "VOLUME":
            own.volumes.extend(path.rstrip("/") for path in _paths(name, rest))
        else:
            # Docker knows a stage by its name or number only when it is over.
            own.stages[-1].append(_checked(name, rest, aliases[:-1], own))
    if not aliases:
        raise invalid("it has no FROM")
    if target and not _is_target(target, aliases):
        raise invalid(f"it has no stage {target[:100]!r}")
    _drop_volumes(own)
    return replace(own, images=list(dict.fromkeys(own.images)), arguments=frozenset(declared))


def _is_target(target: str, aliases: Sequence[str]) -> bool:
    """Whether it is the stage that was read last."""
    return bool(target) and target.lower() in (aliases[-1], str(len(aliases) - 1))


def _check_place(name: str, *, first: bool) -> None:
    if name == "ONBUILD":
        raise invalid("ONBUILD is not supported")
    if name not in KNOWN:
        raise invalid(f"{name[:50]!r} is no instruction")
    if first and name not in ("ARG", "FROM"):
        raise invalid(f"{name} comes before the first FROM")


def _drop_volumes(own: OwnFile) -> None:
    """A volume is empty when the service starts: where the app itself lies there can be none."""
    homes = [f"{line[8:].strip()}/" for stage in own.stages for line in stage if line.startswith("WORKDIR ")]
    for path in list(dict.fromkeys(own.volumes)):
        held = any(home.startswith(f"{path}/") for home in homes)
        if held or not _PLAIN_PATH.fullmatch(path) or len(own.volumes) - len(own.dropped) > MOST_VOLUMES:
            own.dropped.append(path)
    own.volumes[:] = [path for path in dict.fromkeys(own.volumes) if path not in own.dropped]


def forbidden(image: str) -> EngineError:
    return EngineError(
        "build_failed",
        f"The Dockerfile may not begin from or copy from “{image[:200]}”: name a public image.",
        detail="image_forbidden",
        image=image[:200],
    )


def _instructions(text: str) -> list[str]:
    """Logical lines, continuations joined and comments dropped."""
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    for line in lines:
        if (escape := _ESCAPE.match(line)) and escape[1] != "\\":
            raise invalid("it changes the escape character")
        if line.strip() and not line.strip().startswith("#"):
            break
    found: list[str] = []
    joined = ""
    open_ended = False
    for line in lines:
        if line.lstrip().startswith("#") or (open_ended and not line.strip()):
            continue
        line = line if open_ended else line.lstrip()
        open_ended = bool(_CONTINUED.search(line))
        joined += _CONTINUED.sub("", line)
        if not open_ended:
            found.append(joined)
            joined = ""
    logical = [line.strip().rstrip("\\ \t") for line in (*found, joined)]
    for line in logical:
        if _CONTROLS.search(line):
            raise invalid("it contains control characters")
    return [line for line in logical if line]


def _checked(name: str, rest: str, earlier: Sequence[str], own: OwnFile) -> str:
    """One instruction, without what only makes builds faster elsewhere; `earlier` are names of stages."""
    if name == "LABEL":
        return f"LABEL {label(rest)}"
    if name not in ("COPY", "ADD", "RUN"):
        return f"{name} {rest}".rstrip()
    if _HEREDOC.search(rest):
        raise invalid("here-documents (<<EOF) are not supported by this server's builder")
    flags, mounts, rest, end = [], [], rest.strip(), 0
    while found := _LEADING.match(rest, end):
        flag, end = found[1], found.end()
        if _ONLY_FASTER.fullmatch(flag):
            continue
        if name == "RUN" and _AGENT.fullmatch(flag):
            raise invalid("there is no SSH agent in builds (--mount=type=ssh): take a secret")
        if name == "RUN" and (secret := buildsecrets.FLAG.fullmatch(flag)):
            mounts.append(buildsecrets.mount(secret[1]))
            continue
        if name != "RUN" and not _FLAG.fullmatch(flag):
            raise invalid(f"{name} has a flag that is not understood")
        if flag.startswith("--from=") and not _is_stage(flag[7:], earlier):
            own.images.append(_allowed(flag[7:]))
        flags.append(flag)
    words = rest[end:]
    if mounts:
        words, asking = buildsecrets.asking(f"RUN {rest}", mounts, _shell(own.stages[-1]), words)
        own.asking[" ".join([name, *flags, words])] = asking
    if name == "ADD":
        _check_added(_paths("ADD", words)[:-1])
        # It fetches nothing, and unpacks nothing.
        name = "COPY"
    return " ".join([name, *flags, words]).rstrip()


def _shell(stage: Sequence[str]) -> Sequence[str]:
    """With which a stage's commands are run, as far as it was read."""
    said = [line for line in stage if line.startswith("SHELL ")]
    return _paths("SHELL", said[-1][6:].strip()) if said else _SHELL


def _check_added(sources: Sequence[str]) -> None:
    for source in sources:
        if _ELSEWHERE.match(source):
            raise invalid("ADD takes files of the repository only; fetch others by RUN")
        if _ARCHIVE.search(source):
            raise invalid("ADD unpacks no archives here; use COPY, and unpack them by RUN")


def _paths(name: str, words: str) -> list[str]:
    if words.startswith("["):
        try:
            paths = json.loads(words)
        except (ValueError, RecursionError):
            paths = None
        if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
            raise invalid(f"{name} has no valid list of paths")
        return paths
    return words.split()


def _is_stage(name: str, earlier: Sequence[str]) -> bool:
    return (bool(name) and name.lower() in earlier) or (
        bool(_INDEX.fullmatch(name)) and int(name) < len(earlier)
    )


def _from(rest: str, arguments: dict[str, str]) -> tuple[str, str]:
    words = [word for word in rest.split() if not word.startswith("--platform=")]
    named = len(words) == 3 and words[1].upper() == "AS"
    if not named and len(words) != 1:
        raise invalid("FROM takes an image and perhaps a name")
    alias = words[2] if named else ""
    if alias and (not _ALIAS.fullmatch(alias) or alias.lower() == "scratch"):
        raise invalid("a stage has an invalid name")
    if _IMAGE_ID.fullmatch(alias):
        raise invalid(f"the stage {alias} is called as an image's id could be: give it another name")
    return _expanded(words[0].strip("\"'"), arguments), alias


def _expanded(word: str, arguments: dict[str, str]) -> str:
    if len(word) > LONGEST_NAME:
        raise invalid("a name is too long")

    def value(found: re.Match[str]) -> str:
        known = arguments.get(found[1] or found[2], "")
        if not found[3]:
            return known
        return (known or found[4]) if found[3].endswith("-") else (found[4] if known else "")

    return _VARIABLE.sub(value, word)


def _allowed(image: str) -> str:
    """The image, if any build may take it."""
    if len(image) > LONGEST_NAME or not _REFERENCE.fullmatch(image):
        raise forbidden(image)
    if _IMAGE_ID.fullmatch(image) or f"/{OWN_NAMES}" in f"/{image}":
        raise forbidden(image)
    return image
