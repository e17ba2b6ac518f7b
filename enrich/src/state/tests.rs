//! Stories: sequences of events and what they must leave behind.
