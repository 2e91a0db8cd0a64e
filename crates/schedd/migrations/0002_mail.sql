-- Letters that jobs asked for (`notification`). They are committed with the events that they tell of, sent afterwards, and deleted
-- in a later commit; a restart sends what is left, so that each is sent at least once.
create table letter (
    id   integer primary key,
    body text not null              -- JSON: to whom, subject, text
) strict;
