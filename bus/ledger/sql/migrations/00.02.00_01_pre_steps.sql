-- Where subjects are in their lifecycles: one row for each accepted event that follows another's.
-- Made of entries alone: it can be told again from them (bus.hub.subjects.replay).

SET ROLE ledger_owner;

CREATE TABLE ledger.step (
    index   bigint  NOT NULL PRIMARY KEY CHECK (index >= 0),
    subject uuid    NOT NULL,            -- the event that opened the subject
    type    text    NOT NULL,            -- whose lifecycle it is a step of
    line    text    NOT NULL,            -- whose way: empty for the subject's own, else an organisation, or a deadline
    step    text,                        -- null where it leaves the subject where it was
    viewed  boolean NOT NULL             -- the first to state who viewed the file
);
CREATE INDEX step_subject ON ledger.step (subject, index);

CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON ledger.step
    FOR EACH ROW EXECUTE FUNCTION ledger.refuse_change();
ALTER TABLE ledger.step ENABLE ALWAYS TRIGGER no_change;
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON ledger.step
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
ALTER TABLE ledger.step ENABLE ALWAYS TRIGGER no_truncate;

GRANT SELECT ON ledger.step TO notary, courier, desk;
GRANT INSERT ON ledger.step TO notary;
RESET ROLE;
