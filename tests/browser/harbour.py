"""Somebody with services of every kind, for pages that only look: nobody changes them."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.hooks import senders
from tests.hooks.pull_senders import Told, github
from tests.support.customer import Customer
from tests.support.stack import Stack

LONGEST = "lighthouse-keeper-and-fog-signal-control"
HISTORY = {
    "tide-tables": ["Times of the tides, by moon", "Round heights to 5 cm"],
    "ferry-bookings": ["Sell return tickets"],
    "harbour-radio": ["Play the sea"],
    "crab-count": ["Tell crabs apart"],
    LONGEST: [
        "Merge branch 'fog-signal/every-quarter-of-an-hour-in-less-than-two-miles-of-visibility' into main"
    ],
}


@dataclass
class Harbour:
    owner: Customer
    services: dict[str, str]
    """Ids by name."""
    live: str
    """A deployment that serves."""
    failed: str
    """A deployment that failed, after one that serves on."""
    job: str


def page(name: str, subject: str) -> dict[str, str]:
    title = name.replace("-", " ").capitalize()
    return {"index.html": f"<!doctype html><title>{title}</title><h1>{title}</h1><p>{subject}</p>"}


async def set_up_cron(owner: Customer, service: str) -> None:
    """One that runs, with a run in its history, and one that is switched off."""
    path = f"/services/{service}/cron-jobs"
    every = {"schedule": "*/15 6-22 * * 1-5", "time_zone": "America/Argentina/Buenos_Aires"}
    long = "python -m harbour.radio.announce --channel northern-breakwater --language all --unless-foggy"
    for body in (
        {"name": "Announce the next tide on all channels of the breakwater", "command": long, **every},
        {"name": "Count listeners", "schedule": "30 3 * * 1", "command": "echo 42", "enabled": False},
    ):
        made = await owner.ask("POST", path, json=body)
        made.raise_for_status()
        (await owner.ask("POST", f"/cron-jobs/{made.json()['id']}/runs")).raise_for_status()


async def set_up_push(owner: Customer, service: str) -> None:
    """On, with calls of every kind in its history; none of them deploys."""
    path = f"/services/{service}/push"
    made = (await owner.ask("POST", f"{path}/secret")).json()
    settings = {"enabled": True, "watch_paths": ["/radio/", "!/radio/**/*.md"]}
    (await owner.ask("PATCH", path, json=settings)).raise_for_status()
    (await owner.ask("POST", f"{path}/deploy-hook")).raise_for_status()
    subject = "Translate what the loudspeakers on the northern breakwater say in fog"
    body = senders.github(commits=[senders.commit(senders.AFTER, subject, "docs/fog.md")])
    body["repository"] = {"default_branch": "main"}
    elsewhere = body | {"ref": "refs/heads/feature/loudspeakers-of-the-northern-breakwater"}
    (
        await owner.ask("PATCH", f"/services/{service}/previews/settings", json={"enabled": True})
    ).raise_for_status()
    statuses = {"enabled": True, "forge": "gitlab", "token": "tok_of_a_forge"}
    (await owner.ask("PATCH", f"/services/{service}/commit-status", json=statuses)).raise_for_status()
    told = Told(title=subject, repository="", branch="feature/loudspeakers-of-the-northern-breakwater")
    request = github(told.but(draft=True)) | {"repository": {"default_branch": "main"}}
    request["pull_request"]["base"]["repo"] = request["pull_request"]["head"]["repo"] = {}
    for headers, content in (
        senders.from_github(made["secret"], request, event="pull_request"),
        senders.from_github(made["secret"], {}, event="ping"),
        senders.from_github(made["secret"], body),
        senders.from_gitea(made["secret"], elsewhere),
        senders.from_bitbucket("another one", senders.bitbucket()),
    ):
        await owner.http.post(urlsplit(made["url"]).path, content=content, headers=headers)


async def set_up_storage(owner: Customer, service: str) -> None:
    volume = {"name": "recordings", "path": "/app/recordings/of/the/northern/breakwater", "size_gib": 5}
    (await owner.ask("POST", f"/services/{service}/volumes", json=volume)).raise_for_status()
    file = {"path": "/etc/app/certificates/harbour.example.org/private-key.pem", "content": "a2V5"}
    (await owner.ask("PUT", f"/services/{service}/files", json=file)).raise_for_status()


async def set_up_domains(stack: Stack, owner: Customer, service: str) -> None:
    """One in every state; nobody looks at them again meanwhile."""
    made = {}
    for name in (
        "tides.example.org",
        "*.tables.example.org",
        "бухта.example.org",
        "northern-breakwater-and-loudspeakers.harbour.example.org",
        "www.example.org",
    ):
        answer = await owner.ask("POST", f"/services/{service}/domains", json={"name": name})
        made[name] = answer.raise_for_status().json()["id"]
    far = "check_at = now() + interval '1 day', checked_at = now()"
    proved = f"{far}, verified_at = now(), verified_by = 'txt'"
    here = """look = 'here', seen = '{"txt": [], "addresses": ["192.0.2.7"], "expected": ["192.0.2.7"]}'"""
    elsewhere = (
        """look = 'elsewhere', seen = '{"txt": ["v=spf1 -all"], "aliases": ["a.example.com"],"""
        """ "addresses": ["198.51.100.9", "2001:db8::9"], "expected": ["192.0.2.7"]}'"""
    )
    words = """problem_parameters = '{"words": "CAA record for example.org prevents issuance"}'"""
    changes = {
        "tides.example.org": f"{proved}, {here}",
        "*.tables.example.org": f"{proved}, {here}, failures = 2, problem_code = 'needs_provider'",
        "бухта.example.org": f"{far}, {elsewhere}",
        "northern-breakwater-and-loudspeakers.harbour.example.org": (
            f"{proved}, {here}, failures = 4, problem_code = 'acme_caa', {words}"
        ),
    }
    for name, change in changes.items():
        await stack.rows(f"UPDATE domains SET {change} WHERE id = $1", made[name])
    await stack.rows(
        "INSERT INTO certificates (id, domain_id, name, state, directory, serial, issuer, not_before,"
        " not_after, renew_at, created_at, revoke_failures) VALUES ($1, $2, 'tides.example.org', 'active',"
        " 'https://ca.test', '2b41ef', 'R11', now(), now() + interval '90 days',"
        " now() + interval '60 days', now(), 0)",
        uuid.uuid4(),
        made["tides.example.org"],
    )


async def build_harbour(stack: Stack, owner: Customer) -> Harbour:
    harbour = Harbour(owner, {}, "", "", "")

    async def build(name: str, subjects: list[str]) -> None:
        for subject in subjects:
            files = {"README.md": subject} if name == LONGEST else page(name, subject)
            stack.git.commit(name, files, message=subject)
            if service := harbour.services.get(name):
                accepted = await owner.deploy(service)
            else:
                accepted = await owner.order(
                    name, stack.git.url(name), variables={"TIMEZONE": "Europe/Lisbon"}
                )
                harbour.services[name] = accepted["service_id"]
            await owner.finished(accepted["job_id"])
            harbour.live, harbour.job = accepted["deployment_id"], accepted["job_id"]

    rest = {name: subjects for name, subjects in HISTORY.items() if name != "tide-tables"}
    await asyncio.gather(*(build(name, subjects) for name, subjects in rest.items()))
    stopped = await owner.post(f"/services/{harbour.services['crab-count']}/stop")
    stack.git.commit("ferry-bookings", {"notes.txt": "the app is elsewhere"}, message="Move the app")
    await set_up_push(owner, harbour.services["harbour-radio"])
    await set_up_storage(owner, harbour.services["harbour-radio"])
    await set_up_cron(owner, harbour.services["harbour-radio"])
    await set_up_domains(stack, owner, harbour.services["harbour-radio"])
    broken = await owner.deploy(harbour.services["ferry-bookings"])
    harbour.failed = broken["deployment_id"]
    # The newest last: it is the first of the list.
    await build("tide-tables", HISTORY["tide-tables"])
    await asyncio.gather(owner.finished(stopped["job_id"]), owner.finished(broken["job_id"]))
    return harbour
