-- entries --
-- All that is kept of some entries, in order.
SELECT entry.index, entry.leaf, entry.outcome, entry.first_index, entry.issuer, record.header, record.decision,
       record.bus_signature, content.body, content.sealed
FROM ledger.entry LEFT JOIN ledger.record USING (index) LEFT JOIN ledger.content USING (index)
WHERE entry.index = ANY ($1::bigint[]) AND entry.index < (SELECT size FROM ledger.head)
ORDER BY entry.index;

-- entries_of_event --
-- Where an event id stands, accepted or not.
SELECT index, outcome, first_index FROM ledger.entry
WHERE event_id = $1 AND index < (SELECT size FROM ledger.head)
ORDER BY outcome, index;

-- directory --
-- The events that made the directory, in order.
SELECT entry.index, entry.schema_id, record.header, content.body
FROM ledger.entry JOIN ledger.record USING (index) JOIN ledger.content USING (index)
WHERE entry.outcome = 1 AND entry.schema_id = ANY ($1::integer[])
ORDER BY entry.index;
