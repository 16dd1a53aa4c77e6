-- The publisher's login: it reads what is committed, and keeps every checkpoint that it signed.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'publisher') THEN
        CREATE ROLE publisher NOLOGIN;
    END IF;
END
$$;
ALTER ROLE publisher SET transaction_timeout = '10s';
ALTER ROLE publisher SET idle_in_transaction_session_timeout = '5s';
ALTER ROLE publisher SET lock_timeout = '5s';
ALTER ROLE publisher SET tcp_user_timeout = '5s';
SET ROLE ledger_owner;
GRANT USAGE ON SCHEMA ledger TO publisher;
GRANT SELECT ON ledger.entry, ledger.head, ledger.subtree, ledger.checkpoint, ledger.cosignature TO publisher;
GRANT INSERT ON ledger.checkpoint, ledger.cosignature TO publisher;
RESET ROLE;
