"""Plans and templates as the API shows them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field


class Words(BaseModel):
    """A text in the panel's languages."""

    en: str
    ru: str


class PlanView(BaseModel):
    id: str = Field(examples=["dinghy"])
    title: Words
    price_minor: int = Field(description="Per month, in the currency's minor unit.", examples=[300])
    currency: str = Field(description="ISO 4217.", examples=["EUR"])
    memory_bytes: int
    disk_bytes: int
    cpu_millis: int = Field(description="Thousandths of a core.")
    pids: int


class Example(BaseModel):
    repo_url: str
    branch: str


class TemplateView(BaseModel):
    id: str = Field(examples=["git-app"])
    version: str
    kind: str
    title: Words
    description: Words
    icon: str
    example: Example | None
    parameters: list[dict[str, Any]]


class Plans(BaseModel):
    items: list[PlanView]


class Templates(BaseModel):
    items: list[TemplateView]
    apps_url: str = Field(
        description="Address of a service; `{name}` is its name.", examples=["http://{name}.localhost:8080"]
    )
