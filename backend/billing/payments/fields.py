"""Fields that several of what the API says about payments have, with what they mean."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

Minor = Annotated[int, Field(description="In minor units of `currency`.", examples=[2000])]
Refunded = Annotated[int, Field(description="Minor units of it that went back.", examples=[0])]
Refunding = Annotated[int, Field(description="Minor units of it that are on their way back.", examples=[0])]
FailureCode = Annotated[
    str | None,
    Field(
        description="Why it failed, or has to be looked at; stable, for programs. Null if nothing is wrong.",
        examples=["card_declined"],
    ),
]
Automatic = Annotated[
    bool, Field(description="True: begun by the automatic top-up, not by a person.", examples=[False])
]
PaidWith = Annotated[
    str | None,
    Field(description="What it was paid with; null while that is not known.", examples=["Visa •• 4242"]),
]
Purpose = Annotated[
    str,
    Field(
        description="What the payer wrote on the transfer; the project's reference is looked for in it.",
        examples=["RF18 5390 0754 70"],
    ),
]
Payer = Annotated[
    str,
    Field(description="Who sent it, as the bank says; empty if it does not.", examples=["Ada Lovelace"]),
]
BankRef = Annotated[
    str | None,
    Field(description="The bank's own id of the line; null if it gave none.", examples=["2026112000017"]),
]

LineReason = Literal[
    "no_reference",
    "several_references",
    "project_gone",
    "wrong_currency",
    "second_pair_of_eyes",
    "not_given",
]
