-- Who got an event otherwise than by its own decision, and which events were recalled: what a recall must reach.
-- One row for each organisation at most, however often an event is passed on. Made of entries alone: it can be told
-- again from them (bus.hub.subjects.replay).

SET ROLE ledger_owner;

CREATE TABLE ledger.reach (
    event uuid   NOT NULL,                       -- what was passed on, or recalled
    org   text   NOT NULL,                       -- to whom; empty: it was recalled
    index bigint NOT NULL CHECK (index >= 0),    -- the first entry that did so
    PRIMARY KEY (event, org)
);

CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON ledger.reach
    FOR EACH ROW EXECUTE FUNCTION ledger.refuse_change();
ALTER TABLE ledger.reach ENABLE ALWAYS TRIGGER no_change;
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON ledger.reach
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
ALTER TABLE ledger.reach ENABLE ALWAYS TRIGGER no_truncate;

GRANT SELECT ON ledger.reach TO notary, courier, desk;
GRANT INSERT ON ledger.reach TO notary;
RESET ROLE;
