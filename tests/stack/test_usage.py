"""What really happens to a service is what its meter says."""

from __future__ import annotations

from tests.stack.scenes import Fresh, served
from tests.support.customer import Customer
from tests.support.stack import Stack

EVENTS = """
SELECT event.kind, event.price_id = service.price_id AS priced, event.job_id, event.deployment_id
FROM usage_events AS event JOIN services AS service ON service.id = event.service_id
WHERE service.id = $1 ORDER BY number
"""


async def test_metered_from_going_live_until_it_is_deleted(
    stack: Stack, customer: Customer, fresh: Fresh
) -> None:
    case = await served(stack, customer, fresh("metered"))
    jobs = []
    for verb in ("restart", "stop", "stop", "start"):
        accepted = await customer.post(f"/services/{case.service_id}/{verb}")
        await customer.finished(accepted["job_id"])
        jobs.append(accepted["job_id"])
    deleting = await customer.ask("DELETE", f"/services/{case.service_id}")
    await customer.finished(deleting.raise_for_status().json()["job_id"])
    rows = await stack.rows(EVENTS, case.service_id)
    assert [(row["kind"], row["priced"]) for row in rows] == [
        ("started", True),
        ("stopped", None),
        ("started", True),
        ("deleted", None),
    ]
    assert str(rows[0]["deployment_id"]) == case.deployment_id
    # Once more stopped, and restarted while it ran: nothing changed for its meter.
    assert [row["job_id"] and str(row["job_id"]) for row in rows[1:]] == [jobs[1], jobs[3], None]
