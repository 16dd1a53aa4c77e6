-- The clerk's login: it reads what was said and when it was delivered, and writes nothing. It speaks through Kafka.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'clerk') THEN
        CREATE ROLE clerk NOLOGIN;
    END IF;
END
$$;
ALTER ROLE clerk SET default_transaction_read_only = 'on';
ALTER ROLE clerk SET transaction_timeout = '60s';
ALTER ROLE clerk SET idle_in_transaction_session_timeout = '5s';
ALTER ROLE clerk SET lock_timeout = '5s';
ALTER ROLE clerk SET tcp_user_timeout = '5s';
SET ROLE ledger_owner;
GRANT USAGE ON SCHEMA ledger TO clerk;
GRANT SELECT ON ledger.entry, ledger.record, ledger.content, ledger.accepted_id, ledger.delivery, ledger.head TO clerk;
RESET ROLE;
