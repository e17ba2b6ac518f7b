//! Handshake and framing of the `remote` sink.
