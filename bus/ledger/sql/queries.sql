-- take_epoch --
-- A notary that starts moves the epoch: whoever had it before can commit nothing more.
UPDATE ledger.head SET epoch = epoch + 1, heartbeat = clock_timestamp()
RETURNING size, root, frontier, epoch, time_us, receipted;

-- read_head --
-- The head as committed; the age of its heartbeat in seconds by the database's clock.
SELECT size, root, frontier, epoch, time_us, receipted,
       extract(epoch FROM clock_timestamp() - heartbeat)::float8 AS idle_s
FROM ledger.head;

-- heartbeat --
-- Says that the holder of this epoch is alive; touches nothing once another has taken over.
UPDATE ledger.head SET heartbeat = clock_timestamp(), receipted = greatest(receipted, $2) WHERE epoch = $1
RETURNING extract(epoch FROM clock_timestamp())::float8 AS now_s;

-- advance_head --
-- The compare-and-set: the first statement of a flush. No row means that another notary writes.
UPDATE ledger.head SET size = $3, heartbeat = clock_timestamp(), receipted = greatest(receipted, $4)
WHERE size = $1 AND epoch = $2
RETURNING extract(epoch FROM clock_timestamp())::float8 AS now_s;

-- finish_flush --
-- The last statement of a flush: the frontier and root of the new size; the offset to read next of each topic; the
-- last number given to each recipient; subtree roots; what the receipts are sent again from. One round trip for all.
WITH offsets AS (
    INSERT INTO ledger.intake (topic, next_offset) SELECT * FROM unnest($5::text[], $6::bigint[])
    ON CONFLICT (topic) DO UPDATE SET next_offset = excluded.next_offset
), numbers AS (
    INSERT INTO ledger.recipient (org, lane, seq) SELECT * FROM unnest($7::text[], $8::text[], $9::bigint[])
    ON CONFLICT (org, lane) DO UPDATE SET seq = excluded.seq
), trees AS (
    INSERT INTO ledger.subtree (n, hash) SELECT * FROM unnest($10::bigint[], $11::bytea[])
), receipts AS (
    INSERT INTO ledger.flush (first_index, last_index, number, key_id, batch, sig)
    SELECT * FROM unnest($12::bigint[], $13::bigint[], $14::smallint[], $15::bytea[], $16::bytea[], $17::bytea[])
)
UPDATE ledger.head SET root = $2, frontier = $3, time_us = $4 WHERE size = $1;

-- find_accepted --
-- Which of these ids stand already, with what content, in which thread and lane.
SELECT event_id, index, commitment, thread, lane FROM ledger.accepted_id WHERE event_id = ANY ($1::uuid[]);

-- find_standing --
-- What was said under these ids, by whom, who heard it, and which subject it belongs to, where that is another event.
SELECT accepted.event_id, accepted.index, accepted.commitment, accepted.thread, accepted.lane,
       entry.schema_id, entry.issuer, entry.step, entry.addressee, entry.about, step.subject, record.decision
FROM ledger.accepted_id AS accepted
JOIN ledger.entry ON entry.index = accepted.index
LEFT JOIN ledger.record ON record.index = accepted.index
LEFT JOIN ledger.step ON step.index = accepted.index
WHERE accepted.event_id = ANY ($1::uuid[]);

-- find_steps --
-- The last step of each line of these subjects.
SELECT DISTINCT ON (subject, type, line) subject, type, line, step, index
FROM ledger.step WHERE subject = ANY ($1::uuid[]) AND step IS NOT NULL
ORDER BY subject, type, line, index DESC;

-- find_reach --
-- To whom these events were passed on, beside those whom their own decisions name; empty: recalled.
SELECT event, org FROM ledger.reach WHERE event = ANY ($1::uuid[]);

-- find_viewed --
-- Which entry after the first one stated who viewed the file.
SELECT subject, min(index) AS index FROM ledger.step WHERE subject = ANY ($1::uuid[]) AND viewed GROUP BY subject;

-- bodies --
-- The bodies of these entries, as far as they were not erased.
SELECT index, entry.schema_id, entry.step, content.body
FROM ledger.entry JOIN ledger.content USING (index)
WHERE index = ANY ($1::bigint[]) AND content.body IS NOT NULL;

-- read_intake --
-- The offset to read next of every topic.
SELECT topic, next_offset FROM ledger.intake;

-- values_of_outbox --
-- Which record the ledger has at each offset of a part of an outbox; entries that cover several have none of their own.
SELECT kafka_offset, leaf FROM ledger.entry
WHERE topic = $1 AND kafka_offset >= $2 AND kafka_offset < $3 AND kafka_offset = last_offset AND outcome < 4;

-- read_recipients --
-- The last number given to each recipient in each lane.
SELECT org, lane, seq FROM ledger.recipient;

-- directory_events --
-- Every accepted event of the directory, in ledger order: the directory is nothing but these.
SELECT entry.index, entry.schema_id, record.header, content.body
FROM ledger.entry LEFT JOIN ledger.record USING (index) LEFT JOIN ledger.content USING (index)
WHERE entry.outcome = 1 AND entry.schema_id = ANY ($1::integer[]) AND entry.index >= $2
ORDER BY entry.index;

-- leaf_hashes --
-- The leaf hashes of a range, in order.
SELECT leaf_hash FROM ledger.entry WHERE index >= $1 AND index < $2 ORDER BY index;

-- subtrees --
-- The roots of the full runs of 256 leaves, in order.
SELECT n, hash FROM ledger.subtree WHERE n >= $1 AND n < $2 ORDER BY n;

-- deliverable --
-- What the courier needs of the entries of one lane, in order, below the committed head. The directory's are bulk.
SELECT entry.index, entry.leaf, entry.leaf_hash, entry.schema_id, record.header, record.decision, record.bus_signature,
       content.index AS content_index, content.body, content.sealed
FROM ledger.entry
JOIN ledger.record USING (index)
LEFT JOIN ledger.content USING (index)
WHERE entry.index >= $1 AND entry.index < $2 AND entry.outcome = 1
  AND CASE WHEN entry.schema_id = ANY ($5::integer[]) THEN 'bulk' ELSE entry.lane END = $3
ORDER BY entry.index
LIMIT $4;

-- leaf_hash_at --
-- The leaf hash of one entry.
SELECT leaf_hash FROM ledger.entry WHERE index = $1;

-- size --
-- The committed size.
SELECT size FROM ledger.head;

-- save_delivery --
-- What a Kafka commit of the courier covered, and when by the database's clock (a test may be ahead of it): advisory.
INSERT INTO ledger.delivery (first_index, last_index, lane, delivered_at)
VALUES ($1, $2, $3, clock_timestamp() + make_interval(secs => $4)) ON CONFLICT DO NOTHING;

-- save_parking --
-- What a topic that refuses records is owed from now on, null for nothing more; by the same clock, and as advisory.
INSERT INTO ledger.parking (topic, owed_from, at)
VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3));

-- parked --
-- The topics that are owed something, as far as the database was told.
SELECT topic, owed_from FROM (
    SELECT DISTINCT ON (topic) topic, owed_from FROM ledger.parking ORDER BY topic, id DESC
) AS newest
WHERE owed_from IS NOT NULL;

-- last_delivery --
-- How far a lane was delivered, as far as the database was told.
SELECT last_index FROM ledger.delivery WHERE lane = $1 ORDER BY first_index DESC LIMIT 1;

-- flushes_from --
-- The receipt batches of the flushes that begin at or after an index.
SELECT first_index, last_index, number, key_id, batch, sig FROM ledger.flush
WHERE last_index >= $1 ORDER BY first_index, number;

-- receipt_items --
-- What the receipts of a range of entries say.
SELECT index, leaf_hash, outcome, time_us, topic, kafka_offset, last_offset, event_id, first_index, lane, reasons
FROM ledger.entry WHERE index >= $1 AND index <= $2 ORDER BY index;

-- make_partitions --
-- Makes the partitions that will be needed soon.
SELECT ledger.make_partitions();

-- committed --
-- The size and root that are durable: what may be published.
SELECT size, root FROM ledger.head;

-- leaves --
-- The leaves of a range, in order: the publisher hashes them itself and believes no stored hash.
SELECT leaf FROM ledger.entry WHERE index >= $1 AND index < $2 ORDER BY index;

-- save_checkpoint --
-- Keeps a checkpoint as it was signed; of one size there is one.
INSERT INTO ledger.checkpoint (size, note, signed_at) VALUES ($1, $2, clock_timestamp()) ON CONFLICT DO NOTHING;

-- save_cosignature --
-- Keeps a witness's first cosignature of a checkpoint.
INSERT INTO ledger.cosignature (size, witness, line) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING;

-- kept_checkpoints --
-- Every checkpoint that was kept, with its cosignatures: what the publisher's folder has lost is written again from them.
SELECT size, note, array(
    SELECT line FROM ledger.cosignature WHERE cosignature.size = checkpoint.size ORDER BY witness
) AS lines FROM ledger.checkpoint ORDER BY size;

-- newest_checkpoint --
-- The checkpoint of the most entries that was kept.
SELECT size, note FROM ledger.checkpoint ORDER BY size DESC LIMIT 1;

-- clerk_head --
-- How far the ledger has come, and the database's clock.
SELECT size, extract(epoch FROM clock_timestamp())::float8 AS now_s FROM ledger.head;

-- clerk_entries --
-- Accepted entries in a range, in order, of types that tell facts, and of types that can be owed something where they
-- say by whom: what the clerk's casebook is made of.
SELECT entry.index, entry.time_us, entry.schema_id, entry.step, entry.about, entry.addressee,
       record.header, record.decision, content.body
FROM ledger.entry JOIN ledger.record USING (index) LEFT JOIN ledger.content USING (index)
WHERE entry.index >= $1 AND entry.index < $2 AND entry.outcome = 1
  AND (entry.schema_id = ANY ($3::integer[]) OR (entry.schema_id = ANY ($4::integer[]) AND entry.addressee IS NOT NULL))
ORDER BY entry.index
LIMIT $5;

-- entry_time --
-- When an entry was recorded.
SELECT time_us FROM ledger.entry WHERE index = $1;

-- deliveries_of --
-- When the courier had brought these entries of a lane into these inboxes, one each, as far as the database was told.
SELECT wanted.index, wanted.topic, (extract(epoch FROM found.at) * 1000000)::bigint AS at_us
FROM unnest($2::bigint[], $3::text[]) AS wanted (index, topic)
CROSS JOIN LATERAL ledger.delivered_to($1, wanted.topic, wanted.index) AS found (at)
WHERE found.at IS NOT NULL;

-- refused_reasons --
-- Why events of these ids were refused, those that never were accepted; what others sent under an id of the hub's does
-- not count.
SELECT event_id, index, reasons FROM ledger.entry AS refused
WHERE event_id = ANY ($1::uuid[]) AND outcome = 3 AND topic IN ('out.hub', 'out.hub.urgent')
  AND NOT EXISTS (SELECT FROM ledger.accepted_id WHERE accepted_id.event_id = refused.event_id);

-- ids_of_others --
-- Which of these ids an event of somebody else has.
SELECT accepted.event_id, accepted.index FROM ledger.accepted_id AS accepted JOIN ledger.entry ON entry.index = accepted.index
WHERE accepted.event_id = ANY ($1::uuid[]) AND entry.issuer <> 'hub';

-- other_sessions --
-- Which roles of a hub are connected with this login, beside the one who asks.
SELECT application_name AS name FROM pg_stat_activity
WHERE usename = current_user AND datname = current_database() AND pid <> pg_backend_pid()
  AND application_name LIKE 'safeguard-%';

-- found_by --
-- What an entry is found by: an entry that repeats it is found by the same.
SELECT schema_id, issuer, step, thread, about, addressee, due_us FROM ledger.entry WHERE index = $1;
