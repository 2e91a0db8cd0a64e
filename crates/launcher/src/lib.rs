//! Starts processes as a user, keeps them, and reports their end. The only code that may run as root.
