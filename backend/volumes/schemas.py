"""What the API takes and gives about volumes and secret files."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from backend.sources.schemas import Payload

VolumeName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=40,
        pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$",
        description="Unique in the service; typed once more to delete it.",
        examples=["data"],
    ),
]
# Longer ones pass the schema, so that the answer can say in particular what is wrong with a path.
Path = Annotated[
    str,
    Field(max_length=2000, description="Absolute, as the app sees it.", examples=["/data"]),
]
SizeGib = Annotated[int, Field(ge=1, le=65536, strict=True, description="GiB; it can grow, never shrink.")]


class VolumeIn(Payload):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"name": "data", "path": "/data", "size_gib": 5}]}
    )

    name: VolumeName
    path: Path
    size_gib: SizeGib


class VolumePatch(Payload):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"size_gib": 10}]})

    size_gib: SizeGib


class RemovalIn(Payload):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "uploads"}]})

    name: Annotated[str, Field(max_length=200, description="Of the volume, to show that it is meant.")]


class RevealIn(Payload):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "TOKEN"}]})

    name: Annotated[str, Field(max_length=200, description="Of the variable.")]


class VolumeView(BaseModel):
    id: UUID = Field(description="Identifies the volume.")
    name: str = Field(description="Unique in the service.")
    path: str = Field(description="Where the app sees it.")
    size_gib: int = Field(description="What was asked for, in GiB.")
    grown: bool = Field(description="Whether it has that size already; else the next deployment gives it.")
    bounded: bool | None = Field(
        description="Whether the kernel refuses what does not fit. Null before the volume was made."
    )
    used_bytes: int | None = Field(description="How much of it is used; null before it was looked at.")
    capacity_bytes: int | None = Field(description="How much the app can use, at most.")
    measured_at: datetime | None = Field(description="When that was so.")
    mounted: bool = Field(description="Whether the live release has it.")
    removal_requested_at: datetime | None = Field(
        description="From then on new releases go without; it is deleted once none has it."
    )
    created_at: datetime = Field(description="When it was added.")


class Price(BaseModel):
    month_minor: int = Field(description="For a GiB and month, in the currency's smallest unit.")
    currency: str = Field(description="ISO 4217.")


class Volumes(BaseModel):
    items: list[VolumeView] = Field(description="By name.")
    supported: bool = Field(description="Whether this installation keeps volumes at all.")
    most: int = Field(description="How many a service may have.")
    most_gib: int = Field(description="How large one may become.")
    price: Price | None = Field(description="What a GiB costs; null where nothing is charged for it.")


class FileIn(Payload):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"path": "/etc/app/key.pem", "content": "LS0tLS1CRUdJTiBLRVk="}]},
    )

    path: Path
    content: Annotated[str, Field(max_length=400_000, description="Base64 of at most 256 KiB.")]


class FileView(BaseModel):
    id: UUID = Field(description="Identifies the file.")
    path: str = Field(description="Where the app reads it.")
    size_bytes: int = Field(description="Of its content, which is never listed.")
    updated_at: datetime = Field(description="When it was written last.")


class Files(BaseModel):
    items: list[FileView] = Field(description="By path.")
    most: int = Field(description="How many a service may have.")


class RevealedFile(BaseModel):
    path: str = Field(description="Where the app reads it.")
    content: str = Field(description="Base64.")


class RevealedVariable(BaseModel):
    name: str = Field(description="As the app sees it.")
    value: str = Field(description="In clear.")
