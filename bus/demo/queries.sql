-- accepted_events --
-- What an edition can be counted from: accepted events of these types since it began, with header and body.
SELECT entry.index, entry.schema_id, record.header, content.body
FROM ledger.entry JOIN ledger.record USING (index) JOIN ledger.content USING (index)
WHERE entry.index >= $1 AND entry.index < (SELECT size FROM ledger.head)
  AND entry.outcome = 1 AND entry.schema_id = ANY ($2::integer[])
ORDER BY entry.index;
