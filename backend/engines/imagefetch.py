"""Brings an image into a folder, as files that are what their digests say; runs in the fetching child.

`image.json` says what is there: the image's digest and the layers' files, which are left out where the daemon
has them (`held`).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.engines.access import Access
from backend.engines.addresses import Allowed, Resolver, system_resolver
from backend.engines.errors import EngineError
from backend.engines.imagenames import ImageName, check
from backend.engines.imageregistry import Document, Registry, damaged
from backend.engines.layertar import MOST_FILES, LayerTar, Unfit, check_plain
from backend.engines.text import human_size

FACTS = "image.json"
MOST_LAYERS = 200
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_USUAL_VARIANTS = {"arm64": ("", "v8"), "arm": ("v7", "v6", "", "v5")}
_GZIP = 16 + zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class Platform:
    architecture: str
    os: str = "linux"

    def fits(self, described: Any) -> bool:
        return (
            isinstance(described, dict)
            and described.get("os") == self.os
            and described.get("architecture") == self.architecture
        )

    def __str__(self) -> str:
        return f"{self.os}/{self.architecture}"


class ImageFetch:
    def __init__(
        self, request: dict[str, Any], say: Callable[[str], None], resolver: Resolver = system_resolver
    ) -> None:
        self._request, self._say = request, say
        allowed = Allowed.parse(request["allowed_private"])
        access = Access(**request["access"]) if request.get("access") else None
        self._name: ImageName = check(request["url"], allowed)
        self._registry = Registry(self._name, allowed, access, resolver)
        self._platform = Platform(request["architecture"])
        self._max_bytes: int = request["max_bytes"]
        self._files = 0
        """In the layers so far."""

    def look(self) -> dict[str, str | None]:
        """What a fetch would bring, without bringing it."""
        digest, manifest = self._resolved()
        self._layers(manifest)
        self._config(manifest)
        return {"commit": None, "kind": "image", "host_key": None, "digest": digest}

    def fetch(self) -> dict[str, str | None]:
        self._say(f"Asking {self._name.host} for {self._name.familiar}")
        digest, manifest = self._resolved()
        self._say(f"{self._name.familiar} is {digest}")
        layers = self._layers(manifest)
        folder = Path(self._request["folder"])
        self._check_space(folder, sum(layer["size"] for layer in layers))
        config = self._config(manifest)
        tree = folder / "tree"
        tree.mkdir()
        (tree / "config.json").write_bytes(config)
        diff_ids = json.loads(config).get("rootfs", {}).get("diff_ids")
        if not isinstance(diff_ids, list) or len(diff_ids) != len(layers):
            raise damaged("its configuration has other layers than its manifest")
        names = [f"{at}.tar" for at in range(len(layers))]
        held, written = digest in self._request["held"], 0
        for name, layer, diff_id in () if held else zip(names, layers, diff_ids, strict=True):
            written += self._layer(tree / name, layer, diff_id, self._max_bytes - written)
        facts = {"digest": digest, "layers": names, "size_bytes": written, "held": held}
        (tree / FACTS).write_text(json.dumps(facts))
        if held:
            self._say("Its layers are here already")
            return {"commit": None, "subject": None, "host_key": None, "digest": digest}
        self._say(
            f"Received {human_size(sum(layer['size'] for layer in layers))}, {human_size(written)} unpacked"
        )
        return {"commit": None, "subject": None, "host_key": None, "digest": digest}

    def _resolved(self) -> tuple[str, dict[str, Any]]:
        """The digest of what the name stands for, and the manifest for this platform."""
        pinned = self._request.get("commit")
        found = self._registry.manifest(pinned or self._name.reference)
        if isinstance(found.content.get("manifests"), list):
            return found.digest, self._of_platform(found).content
        return found.digest, found.content

    def _of_platform(self, index: Document) -> Document:
        fitting = [
            entry
            for entry in index.content["manifests"]
            if isinstance(entry, dict) and self._platform.fits(entry.get("platform"))
        ]
        preferred = _USUAL_VARIANTS.get(self._platform.architecture, ("",))
        for variant in preferred:
            for entry in fitting:
                if (entry["platform"].get("variant") or "") == variant:
                    return self._registry.manifest(_digest(entry.get("digest")))
        if self._platform.architecture == "amd64" and fitting:
            return self._registry.manifest(_digest(fitting[0].get("digest")))
        raise self._no_platform()

    def _no_platform(self) -> EngineError:
        return EngineError(
            "source_not_found",
            f"The image {self._name.familiar} is not made for this server's machines ({self._platform}).",
            detail="image_platform",
            image=self._name.familiar,
            platform=str(self._platform),
        )

    def _layers(self, manifest: dict[str, Any]) -> list[dict[str, Any]]:
        """Their descriptions, checked: what is too large is known before anything is fetched."""
        layers = manifest.get("layers")
        if not isinstance(layers, list) or not isinstance(manifest.get("config"), dict):
            raise self._unsupported("its manifest is of an old or unknown kind")
        if len(layers) > MOST_LAYERS:
            raise self._unsupported(f"it has more than {MOST_LAYERS} layers")
        for layer in layers:
            if not isinstance(layer, dict) or not isinstance(layer.get("size"), int) or layer["size"] < 0:
                raise damaged("a layer is not described")
            _digest(layer.get("digest"))
            kind = str(layer.get("mediaType"))
            if layer.get("urls") or "foreign" in kind or "nondistributable" in kind:
                raise self._unsupported("a layer of it lies elsewhere")
            if not kind.endswith(("tar", "tar.gzip", "tar+gzip")):
                raise self._unsupported("a layer of it is packed otherwise than with gzip")
        if sum(layer["size"] for layer in layers) > self._max_bytes:
            raise image_too_large(self._name.familiar, self._max_bytes)
        return layers

    def _config(self, manifest: dict[str, Any]) -> bytes:
        content = self._registry.document(_digest(manifest["config"].get("digest")))
        try:
            config = json.loads(content)
        except (ValueError, RecursionError):
            config = None
        if (
            not isinstance(config, dict)
            or not isinstance(config.get("rootfs"), dict)
            or not _is_sound(config)
        ):
            raise self._unsupported("it is not one that can be run")
        if not self._platform.fits(config):
            raise self._no_platform()
        return content

    def _layer(self, path: Path, layer: dict[str, Any], diff_id: Any, room: int) -> int:
        """Bytes of the layer unpacked: counted and compared, not kept. Only so is it known that it will not
        fill the daemon's disk."""
        unpacked, hashed, tar = 0, hashlib.sha256(), LayerTar()
        packer = zlib.decompressobj(_GZIP) if str(layer["mediaType"]).endswith("gzip") else None
        with open(path, "xb") as file:
            for piece in self._registry.blob(layer["digest"], layer["size"]):
                file.write(piece)
                data = piece
                if packer is None and not unpacked:
                    check_plain(piece)
                while data:
                    data, plain = self._unpacked(packer, data)
                    unpacked += len(plain)
                    hashed.update(plain)
                    self._follow(tar, plain)
                    if unpacked > room:
                        raise image_too_large(self._name.familiar, self._max_bytes)
                    if packer is not None and packer.eof and data:
                        # gzip's files may be several, one after the other.
                        packer = zlib.decompressobj(_GZIP)
        if packer is not None:
            rest = packer.flush()
            unpacked += len(rest)
            hashed.update(rest)
            self._follow(tar, rest)
        self._files += tar.files
        if f"sha256:{hashed.hexdigest()}" != diff_id:
            raise damaged("a layer is not what its configuration says")
        return unpacked

    def _follow(self, tar: LayerTar, plain: bytes) -> None:
        try:
            tar.feed(plain)
        except Unfit as unfit:
            raise self._unsupported(str(unfit)) from None
        if self._files + tar.files > MOST_FILES:
            raise self._unsupported(f"it has more than {MOST_FILES} files")

    @staticmethod
    def _unpacked(packer: Any, data: bytes) -> tuple[bytes, bytes]:
        if packer is None:
            return b"", data
        try:
            plain = packer.decompress(data, 1 << 20)
        except zlib.error:
            raise damaged("a layer is not packed as its manifest says") from None
        return (packer.unused_data if packer.eof else packer.unconsumed_tail), plain

    def _unsupported(self, what: str) -> EngineError:
        return EngineError(
            "source_not_found",
            f"The image {self._name.familiar} cannot be run here: {what}.",
            detail="image_unsupported",
            image=self._name.familiar,
            problem=what,
        )

    def _check_space(self, folder: Path, wanted: int) -> None:
        with contextlib.suppress(OSError):
            if shutil.disk_usage(folder).free - wanted < self._request.get("reserve_bytes", 0):
                message = "The server's disk is nearly full; its operator has to make room."
                raise EngineError("source_too_large", message, detail="disk_full")


def image_too_large(image: str, limit: int) -> EngineError:
    return EngineError(
        "source_too_large",
        f"The image {image} is larger than the {human_size(limit)} allowed.",
        detail="image_too_large",
        image=image,
        limit_bytes=limit,
    )


def _is_sound(config: dict[str, Any]) -> bool:
    """Whether what is read of it later is of the kinds that it should be."""
    inner = config.get("config") or {}
    if not isinstance(inner, dict) or not isinstance(config.get("rootfs"), dict):
        return False
    variables = inner.get("Env") or []
    return (
        isinstance(variables, list)
        and all(isinstance(variable, str) for variable in variables)
        and all(isinstance(inner.get(name) or {}, dict) for name in ("Labels", "ExposedPorts", "Volumes"))
    )


def _digest(value: Any) -> str:
    if not isinstance(value, str) or not _DIGEST.fullmatch(value):
        raise damaged("a digest is not valid")
    return value
