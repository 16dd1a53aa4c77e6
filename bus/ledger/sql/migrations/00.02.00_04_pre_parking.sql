-- Since when an inbox that refuses records is owed some, and since when no more: what was delivered to the others was not
-- delivered there. Advisory, like ledger.delivery, and written by the courier in the order in which it happened.

SET ROLE ledger_owner;

CREATE TABLE ledger.parking (
    id        bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic     text        NOT NULL,
    owed_from bigint      CHECK (owed_from >= 0),   -- the first entry that it is owed; null: it has all
    at        timestamptz NOT NULL
);
CREATE INDEX parking_topic ON ledger.parking (topic, id);

CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON ledger.parking
    FOR EACH ROW EXECUTE FUNCTION ledger.refuse_change();
ALTER TABLE ledger.parking ENABLE ALWAYS TRIGGER no_change;
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON ledger.parking
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
ALTER TABLE ledger.parking ENABLE ALWAYS TRIGGER no_truncate;

-- When an entry stood in one inbox, as far as the courier has said; null: not yet. That is when its part of the lane was
-- delivered (where a crash has cost that row: the next part, by when it must have been there); for an inbox that was
-- owed it then, when what it was owed had been delivered past it.
CREATE FUNCTION ledger.delivered_to(in_lane text, in_topic text, at_index bigint) RETURNS timestamptz
LANGUAGE sql STABLE AS $$
    WITH part AS (
        SELECT near.delivered_at
        FROM ((SELECT first_index, last_index, delivered_at FROM ledger.delivery
               WHERE lane = in_lane AND first_index <= at_index ORDER BY first_index DESC LIMIT 1)
              UNION ALL
              (SELECT first_index, last_index, delivered_at FROM ledger.delivery
               WHERE lane = in_lane AND first_index > at_index ORDER BY first_index LIMIT 1)) AS near
        WHERE near.last_index >= at_index
        ORDER BY near.first_index
        LIMIT 1
    ), owed AS (
        SELECT max(id) AS id FROM ledger.parking WHERE topic = in_topic AND owed_from <= at_index
    ), served AS (
        SELECT parking.at FROM ledger.parking, owed
        WHERE topic = in_topic AND parking.id > owed.id ORDER BY parking.id LIMIT 1
    )
    SELECT CASE WHEN owed.id IS NULL THEN part.delivered_at
                WHEN served.at IS NOT NULL THEN greatest(part.delivered_at, served.at) END
    FROM part CROSS JOIN owed LEFT JOIN served ON true
$$;

GRANT SELECT ON ledger.parking TO notary, courier, desk, clerk;
GRANT INSERT ON ledger.parking TO courier;
GRANT SELECT ON ledger.intake TO clerk;
RESET ROLE;
