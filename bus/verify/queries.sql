-- head --
-- The committed head: what the entries must lead to.
SELECT size, root, frontier, time_us FROM ledger.head;

-- rows --
-- A range of entries with all that they were made of, as far as it is still kept.
SELECT entry.index, entry.leaf, entry.leaf_hash, entry.outcome, entry.time_us, entry.topic, entry.kafka_offset,
       entry.last_offset, entry.schema_id, entry.event_id, entry.issuer, entry.step, entry.lane, entry.thread,
       entry.about, entry.addressee, entry.due_us, entry.first_index, entry.reasons,
       record.index AS record_index, record.schema_id AS record_schema_id, record.header, record.decision,
       record.bus_signature,
       content.index AS content_index, content.body, content.sealed, content.raw, content.raw_headers,
       accepted.index AS accepted_index, accepted.commitment AS accepted_commitment,
       accepted.thread AS accepted_thread, accepted.lane AS accepted_lane,
       origin.schema_id AS origin_schema_id, origin.issuer AS origin_issuer, origin.step AS origin_step,
       origin.thread AS origin_thread, origin.about AS origin_about, origin.addressee AS origin_addressee,
       origin.due_us AS origin_due_us
FROM ledger.entry AS entry
LEFT JOIN ledger.record AS record ON record.index = entry.index
LEFT JOIN ledger.content AS content ON content.index = entry.index
LEFT JOIN ledger.accepted_id AS accepted ON accepted.event_id = entry.event_id AND entry.outcome <= 2
LEFT JOIN ledger.entry AS origin ON origin.index = entry.first_index AND entry.outcome = 2
WHERE entry.index >= $1 AND entry.index < $2
ORDER BY entry.index;

-- beyond --
-- Rows for entries that the head does not have; none is the only right answer.
SELECT 'entry' AS name, min(index) AS index FROM ledger.entry WHERE index >= $1
UNION ALL SELECT 'record', min(index) FROM ledger.record WHERE index >= $1
UNION ALL SELECT 'content', min(index) FROM ledger.content WHERE index >= $1
UNION ALL SELECT 'accepted_id', min(index) FROM ledger.accepted_id WHERE index >= $1
UNION ALL SELECT 'flush', min(last_index) FROM ledger.flush WHERE last_index >= $1
UNION ALL SELECT 'delivery', min(last_index) FROM ledger.delivery WHERE last_index >= $1
UNION ALL SELECT 'step', min(index) FROM ledger.step WHERE index >= $1
UNION ALL SELECT 'reach', min(index) FROM ledger.reach WHERE index >= $1
UNION ALL SELECT 'record', min(index) FROM ledger.record WHERE index < 0
UNION ALL SELECT 'content', min(index) FROM ledger.content WHERE index < 0
UNION ALL SELECT 'subtree', min(n) * 256 FROM ledger.subtree WHERE n >= $1 / 256;

-- strayed_ids --
-- Accepted ids that no entry accepts, or that do not stand where they say.
SELECT accepted.index FROM ledger.accepted_id AS accepted
LEFT JOIN ledger.entry AS entry ON entry.index = accepted.index
WHERE entry.outcome IS DISTINCT FROM 1 OR entry.event_id IS DISTINCT FROM accepted.event_id
ORDER BY accepted.index LIMIT 1;

-- subtrees --
-- The stored roots of full runs of 256 entries.
SELECT n, hash FROM ledger.subtree WHERE n >= $1 AND n < $2 ORDER BY n;

-- flushes --
-- The receipt batches of the flushes that end in a range.
SELECT first_index, last_index, number, key_id, batch, sig FROM ledger.flush
WHERE last_index >= $1 AND last_index < $2 ORDER BY first_index, number;

-- subjects --
-- The ids of all events that accepted ones are about.
SELECT DISTINCT about FROM ledger.entry WHERE about IS NOT NULL AND outcome = 1;

-- steps --
-- Where the entries of a range brought their subjects.
SELECT index, subject, type, line, step, viewed FROM ledger.step WHERE index >= $1 AND index < $2;

-- reach --
-- To whom the entries of a range passed events on, and what they recalled.
SELECT event, org, index FROM ledger.reach WHERE index >= $1 AND index < $2;

-- intake --
-- The offset to read next of every topic.
SELECT topic, next_offset FROM ledger.intake ORDER BY topic;

-- recipients --
-- The last number given to each recipient in each lane.
SELECT org, lane, seq FROM ledger.recipient ORDER BY org, lane;

-- directory --
-- The directory's events before an index: who signs with which key.
SELECT entry.index, entry.schema_id, record.header, content.body
FROM ledger.entry JOIN ledger.record USING (index) JOIN ledger.content USING (index)
WHERE entry.outcome = 1 AND entry.schema_id = ANY ($1::integer[]) AND entry.index < $2
ORDER BY entry.index;

-- checkpoints --
-- Every checkpoint that the database keeps, of sizes that have been verified.
SELECT size, note FROM ledger.checkpoint WHERE size <= $1 ORDER BY size;

-- cosignatures --
-- Every cosignature that the database keeps, of sizes that have been verified.
SELECT cosignature.size, cosignature.witness, cosignature.line, checkpoint.note
FROM ledger.cosignature JOIN ledger.checkpoint USING (size)
WHERE cosignature.size <= $1 ORDER BY cosignature.size, cosignature.witness;
