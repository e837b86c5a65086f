-- How many batches the account had when a run ended: what is kept, day by day. Unknown of earlier runs.

ALTER TABLE batchsweep_runs ADD COLUMN batches BIGINT;
