//! Which points of a trace session the rules need, as the JSON that runsc reads.
