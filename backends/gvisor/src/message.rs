//! One message, decoded.
