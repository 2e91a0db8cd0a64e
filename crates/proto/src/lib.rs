//! Messages between the parts, their framing, and who the peer is. The only crate with sockets' authentication.
