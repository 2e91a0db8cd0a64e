//! The user's commands, one file per verb; the multi-call binary.
