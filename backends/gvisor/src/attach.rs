//! Sessions begun, begun anew and ended on a thread of its own, beside the flow of events.
