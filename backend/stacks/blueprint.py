"""A template's file: what it may say, and that all it refers to is there. See docs/templates.md."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StrictStr, model_validator

from backend.stacks import expressions

Slug = Annotated[StrictStr, Field(max_length=20, pattern=r"^[a-z][a-z0-9]*$")]
Key = Annotated[StrictStr, Field(max_length=40, pattern=r"^[a-z][a-z0-9_]*$")]
VariableName = Annotated[StrictStr, Field(max_length=128, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Default = StrictStr | StrictInt | StrictBool
LONGEST = 4000
_IMAGE = re.compile(
    r"[a-z0-9.-]+(?::\d+)?"
    r"(?:/[a-z0-9._-]+)+:[A-Za-z0-9_][A-Za-z0-9._-]*(?:@sha256:[0-9a-f]{64})?"
)


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Words(Part):
    en: Annotated[StrictStr, Field(min_length=1, max_length=400)]
    ru: Annotated[StrictStr, Field(min_length=1, max_length=400)]


class Choice(Part):
    value: Annotated[StrictStr, Field(max_length=200)]
    title: Words


class Parameter(Part):
    """What whoever orders is asked for."""

    type: Literal["text", "email", "choice", "number", "boolean", "secret"]
    title: Words
    help: Words | None = None
    required: StrictBool = False
    default: Default | None = None
    pattern: StrictStr | None = None
    """Of a text, as a whole."""
    max_length: Annotated[StrictInt, Field(ge=1, le=LONGEST)] = 200
    minimum: StrictInt = 0
    maximum: StrictInt = 2**31 - 1
    choices: tuple[Choice, ...] = ()

    @model_validator(mode="after")
    def _fits(self) -> Parameter:
        if (self.type == "choice") != bool(self.choices):
            raise ValueError("choices are for type = choice, which needs some")
        if self.type == "secret" and self.default is not None:
            raise ValueError("a secret has no default: everybody could read it")
        if self.pattern is not None:
            re.compile(self.pattern)
        return self


class Secret(Part):
    """Made once for each stack, and kept when it is upgraded."""

    title: Words
    length: Annotated[StrictInt, Field(ge=16, le=128)] = 32
    alphabet: Literal["letters", "hex"] = "letters"


class TemplateVolume(Part):
    path: StrictStr
    size_gib: Annotated[StrictInt, Field(ge=1, le=1000)] = 1


class TemplateProcess(Part):
    """`web` is the main one; others need a command, or a Procfile that has one."""

    command: Annotated[StrictStr, Field(max_length=LONGEST)] | None = None
    replicas: StrictInt | StrictStr = 1
    """A number, or the name of a number parameter as `${parameter.workers}`."""


class TemplateHealth(Part):
    kind: Literal["http", "tcp", "command"] = "http"
    path: StrictStr = "/"
    command: StrictStr | None = None
    timeout_seconds: Annotated[StrictInt, Field(ge=5, le=900)] | None = None


class TemplateService(Part):
    title: Words
    image: StrictStr | None = None
    example: Annotated[StrictStr, Field(pattern=r"^[a-z0-9-]+$")] | None = None
    """A bundled repository, in place of an image."""
    main: StrictBool = False
    """Has the name that was asked for; the others' follow from it."""
    public: StrictBool = False
    plan: StrictStr
    """The smallest that will do."""
    port: Annotated[StrictInt, Field(ge=1, le=65535)] | None = None
    user: Annotated[StrictStr, Field(max_length=40, pattern=r"^[a-z0-9_][a-z0-9_:-]*$")] | None = None
    needs: tuple[Slug, ...] = ()
    health: TemplateHealth = TemplateHealth()
    environment: dict[VariableName, StrictStr] = Field(default_factory=dict)
    processes: dict[Slug, TemplateProcess] = Field(default_factory=dict)
    volumes: dict[Slug, TemplateVolume] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _source(self) -> TemplateService:
        if (self.image is None) == (self.example is None):
            raise ValueError("a service has an image or an example, and not both")
        if self.image is not None and not _IMAGE.fullmatch(self.image):
            raise ValueError(f"{self.image} has to name its registry and a tag")
        if self.image is not None and self.image.split("@")[0].endswith(":latest"):
            raise ValueError("`latest` is another image each time")
        if self.image is not None and self.port is None:
            raise ValueError("say on which port the image listens")
        return self


class Blueprint(Part):
    """One version of one template."""

    id: Annotated[StrictStr, Field(max_length=40, pattern=r"^[a-z0-9-]+$")]
    version: Annotated[StrictInt, Field(ge=1)]
    icon: StrictStr
    title: Words
    description: Words
    changes: Words | None = None
    """What is new in this version."""
    parameters: dict[Key, Parameter] = Field(default_factory=dict)
    secrets: dict[Key, Secret] = Field(default_factory=dict)
    services: Annotated[dict[Slug, TemplateService], Field(min_length=1, max_length=8)]

    @property
    def main(self) -> str:
        return next(name for name, service in self.services.items() if service.main)

    @property
    def abilities(self) -> frozenset[str]:
        """What an engine has to be able to."""
        images = any(service.image for service in self.services.values())
        volumes = any(service.volumes for service in self.services.values())
        return frozenset([*(("images",) if images else ()), *(("volumes",) if volumes else ())])

    @property
    def in_order(self) -> list[str]:
        """Its services, each after those that it needs."""
        found: list[str] = []
        while len(found) < len(self.services):
            free = [
                name
                for name, service in self.services.items()
                if name not in found and set(service.needs) <= set(found)
            ]
            if not free:
                raise ValueError("services need each other in a circle, or one that is not there")
            found += free
        return found

    @model_validator(mode="after")
    def _whole(self) -> Blueprint:
        if sum(service.main for service in self.services.values()) != 1:
            raise ValueError("just one service is `main`")
        if self.parameters.keys() & self.secrets.keys():
            raise ValueError("a parameter and a secret share a name")
        assert self.in_order
        known = self._names()
        for name, service in self.services.items():
            for variable, text in service.environment.items():
                self._refers(f"{name}.{variable}", text, known)
            for process, said in service.processes.items():
                self._counted(f"{name}.{process}", said.replicas)
        return self

    def _names(self) -> set[str]:
        given = {f"parameter.{name}" for name in self.parameters} | {
            f"secret.{name}" for name in self.secrets
        }
        for name, service in self.services.items():
            given |= {f"service.{name}.name", f"service.{name}.host"}
            given |= {f"service.{name}.port"} if service.port else set()
            address = ("url", "domain", "scheme", "secure") if service.public else ()
            given |= {f"service.{name}.{fact}" for fact in address}
        return given

    @staticmethod
    def _refers(where: str, text: str, known: set[str]) -> None:
        for name in expressions.names(text):
            if name not in known:
                raise ValueError(f"{where} refers to {name}, which is not there")

    def _counted(self, where: str, replicas: Any) -> None:
        if isinstance(replicas, int):
            if not 0 <= replicas <= 10:
                raise ValueError(f"{where}: between 0 and 10 replicas")
            return
        named = expressions.names(replicas)
        parameter = self.parameters.get(named[0].removeprefix("parameter.")) if len(named) == 1 else None
        if parameter is None or parameter.type != "number" or replicas != f"${{{named[0]}}}":
            raise ValueError(f"{where}: replicas are a number or one number parameter")
