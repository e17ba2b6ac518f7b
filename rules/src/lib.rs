//! The rule language of Falco: loader, condition compiler, evaluator and output templates.
//!
//! Knows nothing of system calls: fields come in through [`catalogue::Catalogue`], values through
//! [`catalogue::EventContext`], so plugin sources use the same engine.
#![forbid(unsafe_code)]

pub mod ast;
pub mod catalogue;
pub mod check;
pub mod describe;
pub mod details;
pub mod escape;
pub mod event_names;
pub mod event_types;
pub mod expr;
mod graph;
pub mod literal;
pub mod loader;
pub mod operand;
pub mod operators;
pub mod oracle;
pub mod parser;
pub mod print;
pub mod priority;
pub mod render_value;
pub mod ruleset;
pub mod schema;
mod services;
pub mod suggest;
pub mod template;
#[cfg(test)]
mod testing;
pub mod transformers;
pub mod value;
pub mod verdicts;
pub mod weaken;
pub mod yaml;
