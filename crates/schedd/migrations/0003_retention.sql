-- What leaves the file in the end: jobs of the history, the record, and the submissions that nothing is left of. Nothing here
-- writes or reads what was submitted: a large file gets its new tables in a moment.

-- Submissions without a job in the queue, and the last event when that became so.
create table ended (
    cluster integer primary key,
    seq     integer not null
) strict;
insert into ended select cluster, 0 from cluster where live = 0;
insert or replace into ended
    select cluster, max(finished) from job where finished is not null
    and cluster not in (select cluster from cluster where live = 1) group by cluster;
create index ended_seq on ended (seq);

-- The tokens of submissions whose rows are gone: a client that missed its answer asks again.
create table past (
    cluster integer primary key,
    token   blob    not null unique,
    procs   integer not null
) strict;

-- Which events tell what users set in jobs, and what jobs said of themselves, and how long they are: these are kept up to a
-- bound of its own. Events of an earlier release are not in it.
create table said (
    seq   integer primary key,
    bytes integer not null
) strict;
