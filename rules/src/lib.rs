//! The rule language of Falco: loader, condition compiler, evaluator and output templates.
//!
//! Knows nothing of system calls: fields come in through [`catalogue::Catalogue`], values through
//! [`catalogue::EventContext`], so plugin sources use the same engine.
#![forbid(unsafe_code)]

pub mod ast;
pub mod catalogue;
pub mod value;
pub mod verdicts;
