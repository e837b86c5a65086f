-- One text for SQLite and PostgreSQL: TEXT, BIGINT (times in milliseconds since 1970, UTC), BYTEA.
-- Every name begins with batchsweep_, so that the tables can share a database with others.

CREATE TABLE batchsweep_meta (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE batchsweep_runs (
    run_id TEXT NOT NULL PRIMARY KEY,
    account TEXT NOT NULL,
    began BIGINT NOT NULL,
    dry_run BIGINT NOT NULL,
    config_hash TEXT NOT NULL,
    -- Which account of the vendor it worked on: product, address and a fingerprint of the key.
    origin TEXT NOT NULL,
    ended BIGINT,
    outcome TEXT,
    exit_code BIGINT,
    counts TEXT,
    verified BIGINT,
    requests BIGINT,
    duration_ms BIGINT,
    error TEXT
);
CREATE INDEX batchsweep_runs_account ON batchsweep_runs (account, run_id);

CREATE TABLE batchsweep_journal (
    run_id TEXT NOT NULL,
    batch TEXT NOT NULL,
    account TEXT NOT NULL,
    name TEXT NOT NULL,
    rule TEXT NOT NULL,
    intended_at BIGINT NOT NULL,
    outcome TEXT,
    detail TEXT,
    attempts BIGINT,
    settled_at BIGINT,
    -- By batch first: what was done to one batch is asked for, and each index costs a page a write.
    PRIMARY KEY (batch, run_id)
);
-- What every start asks for. Almost always empty.
CREATE INDEX batchsweep_journal_open ON batchsweep_journal (account) WHERE outcome IS NULL;

CREATE TABLE batchsweep_inventories (
    account TEXT NOT NULL PRIMARY KEY,
    run_id TEXT NOT NULL,
    listed_at BIGINT NOT NULL,
    hash TEXT NOT NULL,
    ids BYTEA NOT NULL
);
CREATE TABLE batchsweep_records (
    account TEXT NOT NULL,
    part BIGINT NOT NULL,
    records BYTEA NOT NULL,
    PRIMARY KEY (account, part)
);

CREATE TABLE batchsweep_plans (
    run_id TEXT NOT NULL PRIMARY KEY,
    account TEXT NOT NULL,
    plan BYTEA NOT NULL
);
CREATE INDEX batchsweep_plans_account ON batchsweep_plans (account);

CREATE TABLE batchsweep_marks (
    account TEXT NOT NULL,
    rule TEXT NOT NULL,
    marks BYTEA NOT NULL,
    PRIMARY KEY (account, rule)
);

CREATE TABLE batchsweep_rules (
    account TEXT NOT NULL,
    rule TEXT NOT NULL,
    hash TEXT NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (account, rule)
);

CREATE TABLE batchsweep_holds (
    account TEXT NOT NULL,
    batch TEXT NOT NULL,
    until BIGINT NOT NULL,
    why TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    announced_at BIGINT,
    PRIMARY KEY (account, batch)
);

CREATE TABLE batchsweep_guards (
    account TEXT NOT NULL PRIMARY KEY,
    run_id TEXT NOT NULL,
    since BIGINT NOT NULL,
    guards TEXT NOT NULL
);

CREATE TABLE batchsweep_approvals (
    run_id TEXT NOT NULL PRIMARY KEY,
    account TEXT NOT NULL,
    approved_by TEXT NOT NULL,
    approved_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    spent_by TEXT,
    spent_at BIGINT
);

CREATE TABLE batchsweep_list_calls (
    window_key TEXT NOT NULL,
    called_at BIGINT NOT NULL
);
CREATE INDEX batchsweep_list_calls_key ON batchsweep_list_calls (window_key, called_at);
