//! The words of the program: ids, the life cycle of a job, slots, claims, attributes, event-log text. No IO.
