"""A small API: a list of ships in memory. Its documentation is at /docs."""

from typing import Annotated

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

app = FastAPI(title="Harbour")
ships: dict[str, "Ship"] = {}


class Ship(BaseModel):
    name: Annotated[str, Field(min_length=1, max_length=100)]
    berth: Annotated[int, Field(ge=1, le=99)]


@app.get("/")
def hello() -> dict[str, str]:
    return {"hello": "from FastAPI", "documentation": "/docs"}


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/ships")
def list_ships() -> list[Ship]:
    return list(ships.values())


@app.put("/ships")
def moor(ship: Ship) -> Ship:
    if len(ships) >= 100 and ship.name not in ships:
        raise HTTPException(409, "The harbour is full.")
    ships[ship.name] = ship
    return ship
