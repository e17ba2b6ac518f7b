//! On which CPU tracer and tracee are.
