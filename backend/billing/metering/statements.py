"""The set-based statements of metering and rating, as SQL: they are read best as what the database runs.

Times are whole seconds and money is whole minor units, so that no step rounds but the one that says so.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, DateTime, Integer, Numeric, String, Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY

PRICED_SECONDS = 28 * 86_400
"""A price per month buys this many seconds; what is left of a longer month is free (ADR 0025)."""

_MOMENTS = (
    bindparam("moment", type_=DateTime(timezone=True)),
    bindparam("hour", type_=DateTime(timezone=True)),
)

# Those that changed, and those whose last reading is an hour old. What somebody changes right now is left out
# and read out next time.
PICK = text("""
SELECT service_id, meter FROM usage_meters
WHERE dirty_from < :moment OR (price_id IS NOT NULL AND metered_through < :hour)
ORDER BY service_id, meter LIMIT :size FOR UPDATE SKIP LOCKED
""").bindparams(*_MOMENTS, bindparam("size", type_=Integer()))

# What each event's span should come to by now, against what is recorded of it. The difference is written, cut
# at the ends of days: time that passed is added at the end of the span; what a late event cut off of it is
# taken back there. So whatever came in, in whichever order, the records sum up to the spans.
READ_OUT = text("""
WITH picked AS (
    SELECT service_id, meter, least(dirty_from, metered_through) AS since,
        greatest(metered_through, CASE WHEN dirty_from IS NULL THEN :hour ELSE :moment END) AS until
    FROM usage_meters JOIN unnest(:services, :meters) AS key(service_id, meter) USING (service_id, meter)
), spans AS (
    SELECT event.id, event.service_id, event.meter, event.price_id, event.quantity, event.occurred_at,
        event.metered_seconds AS have,
        CASE WHEN event.price_id IS NULL THEN 0 ELSE greatest(0, extract(epoch FROM least(
            picked.until,
            lead(event.occurred_at) OVER (
                PARTITION BY event.service_id, event.meter ORDER BY event.occurred_at, event.id
            )
        ) - event.occurred_at)) END::bigint AS want
    FROM picked JOIN usage_events AS event USING (service_id, meter)
    WHERE event.occurred_at >= coalesce((
        SELECT max(before.occurred_at) FROM usage_events AS before
        WHERE before.service_id = picked.service_id AND before.meter = picked.meter
            AND before.occurred_at < picked.since
    ), '-infinity')
), changed AS (
    SELECT *, sign(want - have)::int AS direction,
        occurred_at + least(have, want) * interval '1 second' AS from_at,
        occurred_at + greatest(have, want) * interval '1 second' AS to_at
    FROM spans WHERE want <> have
), noted AS (
    UPDATE usage_events SET metered_seconds = changed.want FROM changed WHERE usage_events.id = changed.id
), pieces AS (
    SELECT changed.*, local::date AS day,
        greatest(from_at, local AT TIME ZONE :zone) AS piece_from,
        least(to_at, (local + interval '1 day') AT TIME ZONE :zone) AS piece_to
    FROM changed, generate_series(
        date_trunc('day', from_at AT TIME ZONE :zone), to_at AT TIME ZONE :zone, interval '1 day'
    ) AS local
), recorded AS (
    INSERT INTO usage_records (service_id, meter, price_id, quantity, event_id, day, from_at, to_at, seconds)
    SELECT service_id, meter, price_id, quantity, id, day, piece_from, piece_to,
        direction * extract(epoch FROM piece_to - piece_from)::int
    FROM pieces WHERE piece_from < piece_to ORDER BY piece_from, id
    RETURNING 1
), advanced AS (
    UPDATE usage_meters AS meter SET
        metered_through = picked.until,
        dirty_from = CASE WHEN meter.changed_at > picked.until THEN meter.changed_at END
    FROM picked WHERE meter.service_id = picked.service_id AND meter.meter = picked.meter
)
SELECT count(*) FROM recorded
""").bindparams(
    *_MOMENTS,
    bindparam("zone", type_=String()),
    bindparam("services", type_=ARRAY(Uuid())),
    bindparam("meters", type_=ARRAY(String())),
)

# What a meter costs in a month is a function of its seconds at each price and quantity: a day's charge is how
# much that function grows by the day's records. However the records are cut into batches, the charges sum up
# to it.
# The function: seconds × price × quantity, half a minor unit rounded up, and no more than the dearest month:
# of all times that there were, the largest price × quantity.
RATE = text("""
WITH batch AS MATERIALIZED (
    SELECT service_id, meter, date_trunc('month', day::timestamp)::date AS month, price_id, quantity, day,
        sum(seconds) AS seconds
    FROM usage_records WHERE id > :after AND id <= :through
    GROUP BY service_id, meter, price_id, quantity, day
), added AS (
    SELECT service_id, meter, month, price_id, quantity, sum(seconds) AS seconds
    FROM batch GROUP BY service_id, meter, month, price_id, quantity
), sums AS MATERIALIZED (
    SELECT service_id, meter, month, price_id, quantity, currency,
        month_minor::numeric * quantity AS month_minor,
        coalesce(total.seconds, 0) AS before, coalesce(total.seconds, 0) + coalesce(added.seconds, 0) AS after
    FROM added FULL JOIN (
        SELECT total.* FROM usage_totals AS total
        JOIN (SELECT DISTINCT service_id, meter, month FROM added) AS touched
            USING (service_id, meter, month)
    ) AS total USING (service_id, meter, month, price_id, quantity)
    JOIN prices AS price ON price.id = price_id
), months AS (
    SELECT service_id, meter, month, sum(before * month_minor) AS weight_before,
        coalesce(max(month_minor) FILTER (WHERE before > 0), 0) AS cap_before,
        coalesce(max(month_minor) FILTER (WHERE after > 0), 0) AS cap_after
    FROM sums GROUP BY service_id, meter, month
), rates AS MATERIALIZED (
    SELECT sums.*, project_id, weight_before, cap_after, greatest(cap_before, cap_after) AS cap,
        least(div(2 * weight_before + :period, 2 * :period), cap_before) AS target_before
    FROM sums JOIN months USING (service_id, meter, month)
    JOIN services AS service ON service.id = sums.service_id
), days AS (
    SELECT batch.*, project_id, currency, cap, target_before,
        weight_before + sum(batch.seconds * month_minor) OVER in_turn AS weight_upto,
        -- Of a dearer price that was taken back the last day is relieved, not the first.
        CASE WHEN lead(batch.day) OVER in_turn IS NULL THEN cap_after ELSE cap END AS cap_upto
    FROM batch JOIN rates USING (service_id, meter, month, price_id, quantity)
    WINDOW in_turn AS (
        PARTITION BY batch.service_id, batch.meter, batch.month
        ORDER BY batch.day, batch.price_id, batch.quantity
    )
), targets AS (
    SELECT *, least(div(2 * weight_upto + :period, 2 * :period), cap_upto) AS target FROM days
), charged AS (
    INSERT INTO usage_charges AS charge
        (id, project_id, service_id, meter, price_id, quantity, day, currency, seconds, amount)
    SELECT uuidv7(), project_id, service_id, meter, price_id, quantity, day, currency,
        seconds, target - lag(target, 1, target_before) OVER (
            PARTITION BY service_id, meter, month ORDER BY day, price_id, quantity
        )
    FROM targets
    ON CONFLICT (service_id, meter, price_id, quantity, day) WHERE posted_at IS NULL DO UPDATE SET
        seconds = charge.seconds + excluded.seconds, amount = charge.amount + excluded.amount
), summed AS (
    INSERT INTO usage_totals (service_id, meter, month, price_id, quantity, seconds)
    SELECT service_id, meter, month, price_id, quantity, after FROM sums
    ON CONFLICT (service_id, meter, month, price_id, quantity) DO UPDATE SET seconds = excluded.seconds
)
UPDATE usage_positions SET record_id = :through WHERE name = 'rating'
""").bindparams(
    bindparam("after", type_=BigInteger()),
    bindparam("through", type_=BigInteger()),
    bindparam("period", PRICED_SECONDS, type_=Numeric()),
)

# What reading out would record by now, summed: each event's span against what is recorded of it.
UNREAD = text("""
WITH metered AS (
    SELECT service_id, meter, least(dirty_from, metered_through) AS since FROM usage_meters
    WHERE project_id = :project AND (price_id IS NOT NULL OR dirty_from IS NOT NULL)
), spans AS (
    SELECT event.service_id, event.meter, event.price_id, event.quantity, event.occurred_at,
        event.occurred_at + event.metered_seconds * interval '1 second' AS from_at,
        least(:at, lead(event.occurred_at) OVER (
            PARTITION BY event.service_id, event.meter ORDER BY event.occurred_at, event.id
        )) AS to_at
    FROM metered JOIN usage_events AS event USING (service_id, meter)
    WHERE event.occurred_at >= coalesce((
        SELECT max(before.occurred_at) FROM usage_events AS before
        WHERE before.service_id = metered.service_id AND before.meter = metered.meter
            AND before.occurred_at < metered.since
    ), '-infinity')
)
SELECT service_id, meter, month_minor::numeric * quantity AS month_minor, sum(extract(epoch FROM
    greatest(to_at, spans.occurred_at, :begin) - greatest(from_at, :begin)))::bigint AS seconds
FROM spans JOIN prices AS price ON price.id = price_id
WHERE price.currency = :currency GROUP BY service_id, meter, month_minor, quantity
""").bindparams(
    bindparam("project", type_=Uuid()),
    bindparam("currency", type_=String()),
    bindparam("begin", type_=DateTime(timezone=True)),
    bindparam("at", type_=DateTime(timezone=True)),
)

MARK_POSTED = text("""
UPDATE usage_charges AS charge SET
    net = done.net, tax = done.tax, tax_key = done.tax_key, transaction_id = done.transaction_id,
    posted_at = now()
FROM unnest(:ids, :nets, :taxs, :tax_keys, :transaction_ids)
    AS done(id, net, tax, tax_key, transaction_id)
WHERE charge.id = done.id
""").bindparams(
    bindparam("ids", type_=ARRAY(Uuid())),
    bindparam("nets", type_=ARRAY(BigInteger())),
    bindparam("taxs", type_=ARRAY(BigInteger())),
    bindparam("tax_keys", type_=ARRAY(String())),
    bindparam("transaction_ids", type_=ARRAY(Uuid())),
)
