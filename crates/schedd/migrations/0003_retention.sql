-- What leaves the file in the end: jobs of the history, the record, and the submissions that nothing is left of.

-- The last event when no job of the cluster was in the queue any more; null while one is.
alter table cluster add column ended integer;
update cluster set ended = coalesce((select max(finished) from job where job.cluster = cluster.cluster), 0)
    where live = 0;
create index cluster_ended on cluster (ended) where live = 0;

-- The tokens of submissions whose rows are gone: a client that missed its answer asks again.
create table past (
    cluster integer primary key,
    token   blob    not null unique,
    procs   integer not null
) strict;

-- What users set in jobs (`JobEdited`) and jobs said of themselves (`JobSaid`): kept up to a bound of its own.
create index event_said on event (seq, octet_length(body)) where substr(body, 3, 6) in ('JobEdi', 'JobSai');
