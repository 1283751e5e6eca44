"""How an engine says that it could not. Apart from the contract: the fetching child waits for its imports."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Self

Parameters = dict[str, str | int]


class Retry(enum.StrEnum):
    """How the job that met an error goes on: never again, or later with back-off."""

    NEVER = "never"
    BACKOFF = "backoff"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something is not as it was wanted, in words (`message`) and for a program.

    `parameters` are what it takes to say it in another language: `detail` names the sentence where a
    `code` has several, `because` one that follows it, `output` is what the app itself said at last, and
    the rest are values of the sentences (sizes end in `_bytes`).
    """

    code: str
    message: str
    parameters: Parameters = field(default_factory=dict)


class EngineError(Exception):
    def __init__(
        self, code: str, message: str, *, retry: Retry = Retry.NEVER, **parameters: str | int
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry = retry
        self.parameters: Parameters = parameters

    def about(self, parameters: Parameters) -> Self:
        """With these beside its own."""
        self.parameters = {**self.parameters, **parameters}
        return self
