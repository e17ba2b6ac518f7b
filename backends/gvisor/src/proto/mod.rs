//! The parts of messages, generated from the `.proto` files beside this module.
