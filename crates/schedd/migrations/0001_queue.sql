-- The queue, its history and its record, in one file: a job is never in neither queue nor history, because it is one row.
-- Forward only: a released migration is never edited.

-- One row a submission. `spec` (MessagePack) is what the client sent: the ad that the jobs share, and how each differs.
-- A job that nothing has happened to yet has no row of its own: `body` says which those are.
create table cluster (
    cluster integer primary key,
    token   blob    not null unique,   -- the client's: the same submission sent twice is one cluster
    procs   integer not null,          -- how many jobs it was submitted with
    live    integer not null,          -- 0 when no job of it is in the queue
    spec    blob    not null,
    body    text    not null           -- JSON: what changes
) strict;

create index cluster_live on cluster (cluster) where live = 1;

-- One row for each job that something has happened to.
create table job (
    cluster  integer not null,
    proc     integer not null,
    finished integer,                  -- the event that made it final; null while it is in the queue
    body     text    not null,         -- JSON: state, counters, edits
    primary key (cluster, proc)
) strict, without rowid;

create index job_queue on job (cluster, proc) where finished is null;
create index job_history on job (finished) where finished is not null;

-- One row for each claim that the schedd holds.
create table claim (
    claim text primary key,
    body  text not null
) strict, without rowid;

-- The record: every event once, in order.
create table event (
    seq     integer primary key,
    at_ms   integer not null,
    cluster integer not null,
    proc    integer,
    body    text    not null
) strict;

-- Numbers that only grow, and the like.
create table meta (
    key  text primary key,
    body text not null
) strict, without rowid;

-- Texts that are to be appended to users' event logs. They are committed with the events that they tell of, appended afterwards,
-- and deleted in a later commit; a restart appends what is missing.
create table outbox (
    id   integer primary key,
    path text    not null,
    text text    not null
) strict;
