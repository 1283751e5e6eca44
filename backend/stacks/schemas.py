"""What the API takes and gives about templates of several services, and stacks."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from backend.catalogue.schemas import Words
from backend.jobs.views import ReasonParameters
from backend.services.schemas import CatalogueId, DeploymentStateName, ServiceName, ServiceStatusName
from backend.sources.schemas import Payload

Given = dict[
    Annotated[str, Field(max_length=100)],
    Annotated[str, Field(max_length=8000)] | Annotated[int, Field(strict=True)] | bool | None,
]
PARAMETERS = "By name, as the template asks for them; what is left out has its default."
PLANS = "By part, where it shall be larger than the template says."


def _example(body: dict[str, Any]) -> ConfigDict:
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [body]})


class StackQuoteIn(Payload):
    model_config = _example({"template_id": "n8n", "plans": {"app": "schooner"}})

    project_id: UUID | None = Field(default=None, description="Without it, your personal project.")
    template_id: CatalogueId
    plans: Annotated[dict[str, CatalogueId], Field(max_length=20)] = Field(
        default_factory=dict, description=PLANS
    )
    parameters: Annotated[Given, Field(max_length=100)] = Field(
        default_factory=dict, description="Only numbers matter, as that of workers; others may be missing."
    )


class StackIn(Payload):
    model_config = _example(
        {"template_id": "postgres", "name": "tides-db", "parameters": {"database": "tides"}}
    )

    project_id: UUID | None = Field(default=None, description="Without it, your personal project.")
    template_id: CatalogueId
    name: ServiceName
    plans: Annotated[dict[str, CatalogueId], Field(max_length=20)] = Field(
        default_factory=dict, description=PLANS
    )
    parameters: Annotated[Given, Field(max_length=100)] = Field(default_factory=dict, description=PARAMETERS)


class UpgradeIn(Payload):
    model_config = _example({"version": 2})

    version: Annotated[int, Field(ge=1, le=10_000, strict=True, examples=[2])]
    parameters: Annotated[Given, Field(max_length=100)] = Field(
        default_factory=dict, description="Only those that shall change; others are kept."
    )


class StackRemovalIn(Payload):
    model_config = _example({"name": "tides-db"})

    name: Annotated[str, Field(max_length=200, description="Of the stack, to show that it is meant.")]


class StackRevealIn(Payload):
    model_config = _example({"name": "password"})

    name: Annotated[str, Field(max_length=200, description="Of the secret.")]


class ParameterChoice(BaseModel):
    value: str = Field(examples=["s3cret"])
    title: Words


class ParameterView(BaseModel):
    name: str = Field(examples=["database"])
    type: Literal["text", "email", "choice", "number", "boolean", "secret"]
    title: Words
    help: Words | None
    required: bool = Field(examples=[True])
    default: str | int | bool | None = Field(examples=[""])
    pattern: str | None = Field(description="Of a text, as a whole.")
    max_length: int = Field(examples=[100])
    minimum: int = Field(examples=[1])
    maximum: int = Field(examples=[10])
    choices: list[ParameterChoice]


class SecretView(BaseModel):
    name: str = Field(examples=["password"])
    title: Words


class TemplateVolumeView(BaseModel):
    path: str = Field(examples=["/data"])
    size_gib: int = Field(examples=[5])


class TemplateServiceView(BaseModel):
    part: str = Field(examples=["db"])
    title: Words
    name_suffix: str = Field(description="Added to the name; empty for the main service.", examples=["-db"])
    image: str | None = Field(examples=["docker.io/library/postgres:17.6"])
    example: str | None = Field(description="A bundled repository, in place of an image.")
    public: bool = Field(description="Whether it has an address; else only its project's services reach it.")
    plan_id: str = Field(description="The smallest that will do.", examples=["dinghy"])
    needs: list[str] = Field(description="Parts that are live before it is deployed.")
    port: int | None = Field(examples=[5432])
    volumes: list[TemplateVolumeView]


class TemplateDetail(BaseModel):
    id: str = Field(examples=["postgres"])
    version: int = Field(description="The newest.")
    title: Words
    description: Words
    icon: str = Field(examples=["n8n"])
    available: bool = Field(description="Whether it can be ordered here.")
    missing_abilities: list[str] = Field(description="Why not.", examples=[["images"]])
    parameters: list[ParameterView]
    secrets: list[SecretView] = Field(description="Made for each stack, and kept at upgrades.")
    services: list[TemplateServiceView]


class StackTemplates(BaseModel):
    items: list[TemplateDetail]


class StackQuoteLine(BaseModel):
    part: str = Field(examples=["database"])
    plan_id: str = Field(examples=["dinghy"])
    units: int = Field(examples=[1])
    volume_gib: int = Field(examples=[5])
    month_minor: int = Field(description="With its volumes and tax.")


class StackQuote(BaseModel):
    charged: bool = Field(examples=[True])
    currency: str = Field(examples=["EUR"])
    services: list[StackQuoteLine]
    month_minor: int = Field(description="Of all, before tax unless prices include it.")
    month_total_minor: int = Field(examples=[1000])
    setup_total_minor: int = Field(examples=[0])
    held_minor: int = Field(description="What the order would hold of the balance.")
    balance_minor: int = Field(examples=[5000])
    available_minor: int = Field(examples=[5000])
    missing_minor: int = Field(examples=[0])


class StackServiceView(BaseModel):
    part: str = Field(examples=["database"])
    title: Words
    id: UUID
    name: str = Field(examples=["data"])
    status: ServiceStatusName
    status_reason: str | None = Field(examples=[None])
    status_reason_code: str | None = Field(examples=[None])
    status_reason_parameters: ReasonParameters
    url: str | None = Field(description="Null for one that only its project's services reach.")
    host: str = Field(description="Its name in the project's network.")
    port: int | None = Field(examples=[5432])
    plan_id: str = Field(examples=["dinghy"])
    image: str | None = Field(examples=["postgres:17.6"])
    needs: list[str] = Field(examples=[["database"]])
    waiting: bool = Field(description="Its deployment begins when all that it needs is live.")
    deployment_id: UUID | None = Field(description="The newest.")
    deployment_state: DeploymentStateName | None
    deployment_reason: str | None = Field(examples=[None])
    deployment_reason_code: str | None = Field(examples=[None])
    deployment_reason_parameters: ReasonParameters
    behind: bool = Field(description="Its newest deployment did not go live: `stacks_deploy` tries again.")
    dropped: bool = Field(
        description="The version that the stack has is without it. It runs on, and can be deleted by itself.",
        examples=[False],
    )


class StackSecretView(BaseModel):
    name: str = Field(examples=["data"])
    title: Words
    masked: str = Field(examples=["••••"])


class ImageChange(BaseModel):
    part: str = Field(examples=["database"])
    name: str = Field(examples=["data"])
    before: str | None = Field(examples=["postgres:17.5"])
    after: str | None = Field(examples=["postgres:17.6"])


class AddedService(BaseModel):
    part: str = Field(examples=["cache"])
    name: str = Field(examples=["data-cache"])
    title: Words
    image: str | None = Field(examples=["redis:8.2.1"])
    plan_id: str = Field(description="The smallest that will do.", examples=["dinghy"])


class DroppedService(BaseModel):
    part: str = Field(examples=["cache"])
    name: str = Field(examples=["data-cache"])


class UpgradeView(BaseModel):
    version: int = Field(examples=[1])
    changes: Words | None = Field(description="What its author says is new.")
    images: list[ImageChange]
    added: list[AddedService] = Field(description="Made, paid and deployed as in an order.")
    dropped: list[DroppedService] = Field(
        description="No longer part of the stack; they run on, with their data, until you delete them."
    )
    parameters: list[ParameterView] = Field(description="New ones.")


class StackView(BaseModel):
    id: UUID
    project_id: UUID
    name: str = Field(examples=["data"])
    template_id: str = Field(examples=["n8n"])
    version: int = Field(examples=[1])
    title: Words
    icon: str = Field(examples=["n8n"])
    deleting: bool = Field(examples=[False])
    parameters: dict[str, str] = Field(examples=[{"email": "me@example.com"}])
    secrets: list[StackSecretView]
    services: list[StackServiceView]
    upgrade: UpgradeView | None = Field(description="Null if there is no newer version.")
    created_at: datetime


class StackListItem(BaseModel):
    id: UUID
    project_id: UUID
    name: str = Field(examples=["data"])
    template_id: str = Field(examples=["n8n"])
    version: int = Field(examples=[1])
    created_at: datetime


class StackAccepted(BaseModel):
    """Work that was accepted; `Location` names the job of the first service."""

    stack_id: UUID
    job_ids: list[UUID] = Field(description="One for each service that is deployed or deleted.")
    stack: StackView


class RevealedSecret(BaseModel):
    name: str = Field(examples=["data"])
    value: str = Field(examples=["s3cret"])
