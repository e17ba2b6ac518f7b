//! The sandboxes of this host, and what `runsc` can be told and asked about them.
