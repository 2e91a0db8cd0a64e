//! One machine: its slots, claims, sandboxes, limits, usage.
