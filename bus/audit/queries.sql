-- search --
-- Entries in ledger order, by any of the columns that an entry is found by; what is not asked for is null.
SELECT index, outcome, time_us, schema_id, event_id, issuer, step, topic, thread, about, reasons
FROM ledger.entry
WHERE index < (SELECT size FROM ledger.head)
  AND ($1::smallint[] IS NULL OR outcome = ANY ($1))
  AND ($2::integer[] IS NULL OR schema_id = ANY ($2))
  AND ($3::text IS NULL OR step = $3)
  AND ($4::text IS NULL OR issuer = $4)
  AND ($5::bigint IS NULL OR time_us >= $5)
  AND ($6::bigint IS NULL OR time_us < $6)
  AND ($7::uuid IS NULL OR thread = $7)
  AND ($8::text IS NULL OR $8 = ANY (reasons))
  AND index >= $10 AND index < $11
ORDER BY index
LIMIT $9;

-- search_newest --
-- The same, newest first.
SELECT index, outcome, time_us, schema_id, event_id, issuer, step, topic, thread, about, reasons
FROM ledger.entry
WHERE index < (SELECT size FROM ledger.head)
  AND ($1::smallint[] IS NULL OR outcome = ANY ($1))
  AND ($2::integer[] IS NULL OR schema_id = ANY ($2))
  AND ($3::text IS NULL OR step = $3)
  AND ($4::text IS NULL OR issuer = $4)
  AND ($5::bigint IS NULL OR time_us >= $5)
  AND ($6::bigint IS NULL OR time_us < $6)
  AND ($7::uuid IS NULL OR thread = $7)
  AND ($8::text IS NULL OR $8 = ANY (reasons))
  AND index >= $10 AND index < $11
ORDER BY index DESC
LIMIT $9;

-- time_at --
-- When an entry was recorded.
SELECT time_us FROM ledger.entry WHERE index = $1;

-- entry --
-- One entry with its record, and whether its content is still kept.
SELECT entry.index, entry.leaf, entry.leaf_hash, entry.outcome, entry.time_us, entry.topic, entry.kafka_offset,
       entry.last_offset, entry.schema_id, entry.event_id, entry.issuer, entry.step, entry.lane, entry.thread,
       entry.about, entry.first_index, entry.reasons, record.header, record.decision, record.bus_signature,
       content.index IS NOT NULL AS content_kept
FROM ledger.entry
LEFT JOIN ledger.record USING (index)
LEFT JOIN ledger.content USING (index)
WHERE entry.index = $1 AND entry.index < (SELECT size FROM ledger.head);

-- erasures --
-- The Erasures of a thread after an entry, at the steps that let content go.
SELECT entry.schema_id, entry.step, record.header, content.body
FROM ledger.entry JOIN ledger.record USING (index) JOIN ledger.content USING (index)
WHERE thread = $1 AND thread IS DISTINCT FROM event_id AND outcome = 1 AND index > $2
  AND entry.schema_id = ANY ($3::integer[]) AND entry.step = ANY ($4::text[]) AND index < (SELECT size FROM ledger.head)
ORDER BY index;

-- entries_of_event --
-- Every entry that covers a record of this event id, in order.
SELECT index, outcome FROM ledger.entry
WHERE event_id = $1 AND index < (SELECT size FROM ledger.head)
ORDER BY index;

-- thread --
-- The accepted events of a thread, in order: the one that opened it, and those that follow.
-- The first condition is the index's own: without it every entry would be read.
SELECT index, outcome, time_us, schema_id, event_id, issuer, step, topic, thread, about, reasons
FROM ledger.entry
WHERE ((thread = $1 AND thread IS DISTINCT FROM event_id) OR event_id = $1) AND outcome = 1 AND index < (SELECT size FROM ledger.head)
ORDER BY index;

-- overdue --
-- The headers of what was stated of deadlines in a thread, in order.
SELECT entry.index, entry.schema_id, record.header
FROM ledger.entry LEFT JOIN ledger.record USING (index)
WHERE thread = $1 AND outcome = 1 AND entry.schema_id = ANY ($2::integer[]) AND index < (SELECT size FROM ledger.head)
ORDER BY index;

-- delivered_at --
-- When the courier had committed the part of a lane that an entry stands in: advisory.
SELECT min(delivered_at) AS delivered_at FROM ledger.delivery
WHERE lane = $1 AND first_index <= $2 AND last_index >= $2;

-- delivered_to --
-- When an entry stood in each of these inboxes, as far as the courier has said: advisory.
SELECT inbox.topic, ledger.delivered_to($1, inbox.topic, $2) AS delivered_at FROM unnest($3::text[]) AS inbox (topic);

-- receipt_of --
-- The receipt batch that covers an entry's flush.
SELECT first_index, last_index, number, key_id FROM ledger.flush
WHERE first_index <= $1 AND last_index >= $1
ORDER BY first_index, number;

-- head --
-- The committed head.
SELECT size, root, time_us, receipted FROM ledger.head;

-- counts --
-- How many entries there are of each kind, by issuer; a record that could not be read counts for its outbox.
SELECT outcome, schema_id, step, coalesce(issuer, split_part(topic, '.', 2)) AS issuer, count(*) AS n
FROM ledger.entry
WHERE index < $1
GROUP BY 1, 2, 3, 4
ORDER BY 1, 2, 3, 4;

-- reasons --
-- Why records were refused, and how often.
SELECT reason, count(*) AS n FROM ledger.entry, unnest(reasons) AS reason
WHERE index < $1
GROUP BY reason
ORDER BY n DESC, reason;

-- delivered_counts --
-- How far the courier says it has come in each lane: advisory.
SELECT lane, max(last_index) AS last_index, max(delivered_at) AS delivered_at FROM ledger.delivery
GROUP BY lane
ORDER BY lane;

-- admissions --
-- The bodies of the events that admitted organisations, in order.
SELECT entry.schema_id, record.header, content.body
FROM ledger.entry JOIN ledger.record USING (index) JOIN ledger.content USING (index)
WHERE entry.outcome = 1 AND entry.schema_id = ANY ($1::integer[])
ORDER BY entry.index;
