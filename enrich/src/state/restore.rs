//! Filling the tables from a snapshot.
