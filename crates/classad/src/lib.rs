//! The ClassAd language: parse, print, evaluate, match. Knows nothing of jobs; does no IO.
