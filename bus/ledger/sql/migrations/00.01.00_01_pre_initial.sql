-- The append-only ledger: tables, roles, and triggers that raise.
-- Formats: entry, head and the names beside them are read by foreign programs and keep their meaning for ever.
-- None of this stops a superuser: published, witnessed checkpoints do.

DO $$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['ledger_owner', 'notary', 'courier', 'eraser', 'desk'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
        END IF;
    END LOOP;
END
$$;

-- A transaction that hangs holds the head row; these bound how long another notary waits.
ALTER ROLE notary SET transaction_timeout = '10s';
ALTER ROLE notary SET idle_in_transaction_session_timeout = '5s';
ALTER ROLE notary SET lock_timeout = '5s';
ALTER ROLE notary SET tcp_user_timeout = '5s';
ALTER ROLE notary SET synchronous_commit = 'on';
ALTER ROLE courier SET transaction_timeout = '10s';
ALTER ROLE courier SET idle_in_transaction_session_timeout = '5s';
ALTER ROLE courier SET lock_timeout = '5s';
ALTER ROLE courier SET tcp_user_timeout = '5s';
ALTER ROLE eraser SET transaction_timeout = '60s';
ALTER ROLE eraser SET idle_in_transaction_session_timeout = '5s';
ALTER ROLE eraser SET lock_timeout = '5s';
ALTER ROLE eraser SET tcp_user_timeout = '5s';
-- An auditor's question may take long; one that is forgotten may not hold back vacuum.
ALTER ROLE desk SET default_transaction_read_only = 'on';
ALTER ROLE desk SET idle_in_transaction_session_timeout = '60s';
ALTER ROLE desk SET lock_timeout = '5s';
ALTER ROLE desk SET tcp_user_timeout = '5s';

CREATE SCHEMA ledger AUTHORIZATION ledger_owner;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
SET ROLE ledger_owner;

-- Raises, and names what was tried: an audit table that swallows a change in silence is worse than none.
CREATE FUNCTION ledger.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on %.% refused: the ledger is append-only', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END
$$;

-- One row per ledger index: the 374-byte leaf, its RFC 6962 leaf hash, and the few columns it is found by.
CREATE TABLE ledger.entry (
    index        bigint   NOT NULL CHECK (index >= 0),
    leaf         bytea    NOT NULL CHECK (octet_length(leaf) = 374),
    leaf_hash    bytea    NOT NULL CHECK (octet_length(leaf_hash) = 32),
    outcome      smallint NOT NULL CHECK (outcome BETWEEN 1 AND 4),
    time_us      bigint   NOT NULL,
    topic        text     NOT NULL,
    kafka_offset bigint   NOT NULL,
    last_offset  bigint   NOT NULL CHECK (last_offset >= kafka_offset),
    schema_id    integer,
    event_id     uuid,
    issuer       text,
    step         text,
    lane         text     NOT NULL CHECK (lane IN ('bulk', 'urgent')),
    thread       uuid,
    about        uuid,
    addressee    text,
    due_us       bigint,
    first_index  bigint   NOT NULL,
    reasons      text[],
    PRIMARY KEY (index)
) PARTITION BY RANGE (index);
CREATE INDEX entry_event_id ON ledger.entry (event_id) WHERE event_id IS NOT NULL;
-- An event that opens a thread is found by its own id; this index holds the rest.
CREATE INDEX entry_thread ON ledger.entry (thread) WHERE thread IS DISTINCT FROM event_id;

-- What a court order alone may remove: the signed header, the decision, the sender's signature.
CREATE TABLE ledger.record (
    index         bigint  NOT NULL,
    schema_id     integer NOT NULL,
    header        bytea   NOT NULL,
    decision      bytea   NOT NULL,
    bus_signature bytea   NOT NULL,
    PRIMARY KEY (index)
) PARTITION BY RANGE (index);
ALTER TABLE ledger.record ALTER COLUMN bus_signature SET STORAGE EXTERNAL;

-- What the eraser deletes: body and sealed bytes of accepted events; whole values of refused records (30 days).
CREATE TABLE ledger.content (
    index       bigint NOT NULL,
    body        bytea,
    sealed      bytea,
    raw         bytea,
    raw_headers bytea,
    raw_key     bytea,
    PRIMARY KEY (index)
) PARTITION BY RANGE (index);
ALTER TABLE ledger.content ALTER COLUMN sealed SET STORAGE EXTERNAL;
ALTER TABLE ledger.content ALTER COLUMN raw SET STORAGE EXTERNAL;

-- An accepted event id stands once. Partitioned by id, which begins with its time (UUIDv7).
CREATE TABLE ledger.accepted_id (
    event_id   uuid   NOT NULL,
    index      bigint NOT NULL,
    commitment bytea  NOT NULL CHECK (octet_length(commitment) = 32),
    thread     uuid   NOT NULL,
    lane       text   NOT NULL,
    PRIMARY KEY (event_id)
) PARTITION BY RANGE (event_id);

-- One row. Its compare-and-set is the first statement of every flush.
CREATE TABLE ledger.head (
    one       boolean     NOT NULL DEFAULT true PRIMARY KEY CHECK (one),
    size      bigint      NOT NULL CHECK (size >= 0),
    root      bytea       NOT NULL,
    frontier  bytea       NOT NULL,
    epoch     bigint      NOT NULL,
    time_us   bigint      NOT NULL,
    receipted bigint      NOT NULL DEFAULT 0,
    heartbeat timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO ledger.head (size, root, frontier, epoch, time_us)
VALUES (0, sha256(''), '', 0, 0);

-- Offsets read next, kept in the same transaction as the entries that cover what is before them.
CREATE TABLE ledger.intake (
    topic       text   NOT NULL PRIMARY KEY,
    next_offset bigint NOT NULL CHECK (next_offset >= 0)
);

-- The last number given to each recipient in each lane.
CREATE TABLE ledger.recipient (
    org  text   NOT NULL,
    lane text   NOT NULL,
    seq  bigint NOT NULL CHECK (seq >= 0),
    PRIMARY KEY (org, lane)
);

-- What is needed to send a flush's receipts again, byte for byte, for ever: one row per receipt batch.
CREATE TABLE ledger.flush (
    first_index bigint   NOT NULL,
    last_index  bigint   NOT NULL CHECK (last_index >= first_index),
    number      smallint NOT NULL,
    key_id      bytea    NOT NULL,
    batch       bytea    NOT NULL,
    sig         bytea    NOT NULL,
    PRIMARY KEY (first_index, number)
);

-- Advisory: written after each Kafka commit of the courier.
CREATE TABLE ledger.delivery (
    first_index  bigint      NOT NULL,
    last_index   bigint      NOT NULL CHECK (last_index >= first_index),
    lane         text        NOT NULL,
    delivered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (lane, first_index)
);

-- Root of each full run of 256 leaves: start-up recomputes the frontier from these and the tail.
CREATE TABLE ledger.subtree (
    n    bigint NOT NULL PRIMARY KEY,
    hash bytea  NOT NULL CHECK (octet_length(hash) = 32)
);

-- Every checkpoint that was ever signed, and who cosigned it.
CREATE TABLE ledger.checkpoint (
    size      bigint      NOT NULL PRIMARY KEY,
    note      bytea       NOT NULL,
    signed_at timestamptz NOT NULL
);
CREATE TABLE ledger.cosignature (
    size    bigint NOT NULL REFERENCES ledger.checkpoint (size),
    witness text   NOT NULL,
    line    bytea  NOT NULL,
    PRIMARY KEY (size, witness)
);

-- Makes one partition with the triggers that its parent cannot give it: TRUNCATE fires per partition only.
CREATE FUNCTION ledger.make_partition(parent text, suffix text, bounds text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    child text := parent || '_' || suffix;
BEGIN
    IF to_regclass(format('ledger.%I', child)) IS NOT NULL THEN
        RETURN;
    END IF;
    BEGIN
        EXECUTE format('CREATE TABLE ledger.%I PARTITION OF ledger.%I %s', child, parent, bounds);
    EXCEPTION WHEN check_violation THEN
        -- Rows of this range stand in the DEFAULT partition: they stay there, and the log goes on.
        RAISE NOTICE 'rows of % are in the default partition', child;
        RETURN;
    END;
    EXECUTE format('CREATE TRIGGER no_truncate BEFORE TRUNCATE ON ledger.%I '
                   'FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change()', child);
    EXECUTE format('ALTER TABLE ledger.%I ENABLE ALWAYS TRIGGER no_truncate', child);
    EXECUTE format('ALTER TABLE ledger.%I ENABLE ALWAYS TRIGGER no_change', child);
    IF parent = 'content' THEN
        -- A few kilobytes stay in their row: out of line they are more rows, an index and a look-up for each event.
        EXECUTE format('ALTER TABLE ledger.%I SET (toast_tuple_target = 8160)', child);
    END IF;
END
$$;
REVOKE ALL ON FUNCTION ledger.make_partition(text, text, text) FROM PUBLIC;

-- Row triggers of a parent are cloned to its partitions; statement triggers guard what is not partitioned.
DO $$
DECLARE
    guarded text;
    what text;
BEGIN
    FOREACH guarded IN ARRAY ARRAY['entry', 'record', 'content', 'accepted_id', 'flush', 'delivery', 'subtree',
                                   'checkpoint', 'cosignature'] LOOP
        what := CASE guarded WHEN 'content' THEN 'UPDATE' ELSE 'UPDATE OR DELETE' END;
        EXECUTE format('CREATE TRIGGER no_change BEFORE %s ON ledger.%I '
                       'FOR EACH ROW EXECUTE FUNCTION ledger.refuse_change()', what, guarded);
        EXECUTE format('ALTER TABLE ledger.%I ENABLE ALWAYS TRIGGER no_change', guarded);
        EXECUTE format('CREATE TRIGGER no_truncate BEFORE TRUNCATE ON ledger.%I '
                       'FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change()', guarded);
        EXECUTE format('ALTER TABLE ledger.%I ENABLE ALWAYS TRIGGER no_truncate', guarded);
    END LOOP;
    FOREACH guarded IN ARRAY ARRAY['head', 'intake', 'recipient'] LOOP
        EXECUTE format('CREATE TRIGGER no_delete BEFORE DELETE ON ledger.%I '
                       'FOR EACH ROW EXECUTE FUNCTION ledger.refuse_change()', guarded);
        EXECUTE format('ALTER TABLE ledger.%I ENABLE ALWAYS TRIGGER no_delete', guarded);
        EXECUTE format('CREATE TRIGGER no_truncate BEFORE TRUNCATE ON ledger.%I '
                       'FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change()', guarded);
        EXECUTE format('ALTER TABLE ledger.%I ENABLE ALWAYS TRIGGER no_truncate', guarded);
    END LOOP;
END
$$;

-- The head never goes back.
CREATE FUNCTION ledger.head_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.size < OLD.size OR NEW.epoch < OLD.epoch OR NEW.time_us < OLD.time_us THEN
        RAISE EXCEPTION 'the head of the ledger does not go back' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER forward BEFORE UPDATE ON ledger.head FOR EACH ROW EXECUTE FUNCTION ledger.head_forward();
ALTER TABLE ledger.head ENABLE ALWAYS TRIGGER forward;

-- Makes the partitions that will be needed soon: two ranges of 4,194,304 entries and three months of ids ahead.
-- The notary calls it; only the owner may make tables, hence SECURITY DEFINER.
CREATE FUNCTION ledger.make_partitions() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    step constant bigint := 4194304;
    parent text;
    n bigint;
    month_start timestamptz;
    low text;
    high text;
BEGIN
    FOR n IN SELECT g FROM generate_series((SELECT size / step FROM ledger.head),
                                           (SELECT size / step + 1 FROM ledger.head)) AS g LOOP
        FOREACH parent IN ARRAY ARRAY['entry', 'record', 'content'] LOOP
            PERFORM ledger.make_partition(parent, lpad(n::text, 5, '0'),
                format('FOR VALUES FROM (%s) TO (%s)', n * step, (n + 1) * step));
        END LOOP;
    END LOOP;
    FOR month_start IN SELECT date_trunc('month', clock_timestamp(), 'UTC') + make_interval(months => m)
                       FROM generate_series(-1, 3) AS m LOOP
        low := lpad(to_hex((extract(epoch FROM month_start) * 1000)::bigint), 12, '0');
        high := lpad(to_hex((extract(epoch FROM month_start + interval '1 month') * 1000)::bigint), 12, '0');
        PERFORM ledger.make_partition('accepted_id', to_char(month_start AT TIME ZONE 'UTC', 'YYYY_MM'),
            format('FOR VALUES FROM (%L) TO (%L)', low || '00000000000000000000', high || '00000000000000000000'));
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION ledger.make_partitions() FROM PUBLIC;

-- Every partitioned table has a DEFAULT partition, else one odd id stops the log.
SELECT ledger.make_partition('entry', 'default', 'DEFAULT'), ledger.make_partition('record', 'default', 'DEFAULT'),
       ledger.make_partition('content', 'default', 'DEFAULT'), ledger.make_partition('accepted_id', 'default', 'DEFAULT');
SELECT ledger.make_partitions();

GRANT USAGE ON SCHEMA ledger TO notary, courier, eraser, desk;
GRANT SELECT ON ALL TABLES IN SCHEMA ledger TO notary, courier, desk;
GRANT INSERT ON ledger.entry, ledger.record, ledger.content, ledger.accepted_id, ledger.intake, ledger.recipient,
                ledger.flush, ledger.subtree TO notary;
GRANT UPDATE ON ledger.head, ledger.intake, ledger.recipient TO notary;
GRANT EXECUTE ON FUNCTION ledger.make_partitions() TO notary;
GRANT INSERT ON ledger.delivery TO courier;
GRANT SELECT, DELETE ON ledger.content TO eraser;
GRANT SELECT ON ledger.entry, ledger.head TO eraser;
RESET ROLE;
