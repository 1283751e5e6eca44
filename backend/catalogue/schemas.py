"""Plans and templates as the API shows them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field


class Words(BaseModel):
    """A text in the panel's languages."""

    en: str = Field(examples=["An app from git"])
    ru: str = Field(examples=["Приложение из git"])


class PlanPrice(BaseModel):
    currency: str = Field(description="ISO 4217.", examples=["EUR"])
    month_minor: int = Field(description="Per month, in the minor unit.", examples=[300])
    setup_minor: int = Field(description="Once, when the service goes live first.", examples=[0])


class PlanView(BaseModel):
    id: str = Field(examples=["dinghy"])
    title: Words
    price_minor: int | None = Field(
        description="Per month, in the currency's minor unit; null if it is not sold now.", examples=[300]
    )
    currency: str | None = Field(description="ISO 4217: the operator's, or another.", examples=["EUR"])
    prices: list[PlanPrice]
    memory_bytes: int = Field(description="Of each process.", examples=[268435456])
    disk_bytes: int = Field(description="Of one release.", examples=[536870912])
    cpu_millis: int = Field(description="Thousandths of a core.")
    pids: int = Field(description="Processes and threads at most.", examples=[64])
    traffic_bytes: int | None = Field(
        description="Through the edge in a month, included for each unit; null: as much as there is.",
        examples=[107374182400],
    )


class AddonPrice(BaseModel):
    currency: str = Field(description="ISO 4217.", examples=["EUR"])
    unit_minor: int = Field(description="For one unit, in the minor unit.", examples=[10])


class AddonView(BaseModel):
    id: Literal["volume", "address", "backup", "traffic"]
    title: Words
    unit: str = Field(description="What it costs that for one of: `GiB` or `piece`.", examples=["GiB"])
    per: Literal["month", "unit"] = Field(
        description="`month`: by the second, the price is for a month; `unit`: for each that was used."
    )
    price_minor: int | None = Field(
        description="For one unit, in the currency's minor unit; null if it is not sold now.", examples=[10]
    )
    currency: str | None = Field(description="ISO 4217: the operator's, or another.", examples=["EUR"])
    prices: list[AddonPrice]


class Example(BaseModel):
    repo_url: str = Field(examples=["http://localhost:8080/examples/hello-python.git"])
    ref: str = Field(examples=["main"])


class TemplateView(BaseModel):
    id: str = Field(examples=["git-app"])
    version: str = Field(description="Grows with each change of the template.", examples=["1"])
    kind: str = Field(
        description="`stack` for what `POST /api/v1/stacks` orders, else for `POST /api/v1/orders`.",
        examples=["git"],
    )
    title: Words
    description: Words
    icon: str = Field(description="Name of a picture of the panel.", examples=["git"])
    example: Example | None
    parameters: list[dict[str, Any]] = Field(
        description="What else it asks for; `GET /api/v1/stack-templates` tells more."
    )


class Plans(BaseModel):
    items: list[PlanView]


class Addons(BaseModel):
    items: list[AddonView]


class Templates(BaseModel):
    items: list[TemplateView]
    apps_url: str = Field(
        description="Address of a service; `{name}` is its name.", examples=["http://{name}.localhost:8080"]
    )
    abilities: list[str] = Field(
        description="What services can do here beside running apps from a repository or an archive.",
        examples=[["images", "volumes"]],
    )
