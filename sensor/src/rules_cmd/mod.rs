//! `falco rules …`: tools for authors of rules.
//!
//! * [`options`]: their command lines.
//! * `test`: rule tests, events in and alerts compared.
//! * `check`: everything wrong or suspicious in rules files; `sarif` is one form of it.
//! * `explain`: what a rule matches, reads, needs and costs; `layout` breaks conditions into lines.
//! * `excerpt`: a line of a file with a caret.

mod check;
mod excerpt;
mod explain;
mod layout;
mod needs;
pub mod options;
mod sarif;
mod test;

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use falco_rules::catalogue::Catalogue;
use falco_rules::parser;
use falco_rules::ruleset::{Ruleset, RulesetBuilder};

use options::{RulesCommand, RulesOptions};

/// Carries out what was asked for.
///
/// # Errors
/// If input cannot be read or stdout fails. Findings in the input are no errors: they are printed,
/// and the exit code is 1.
pub fn run(options: &RulesOptions) -> Result<ExitCode> {
    match &options.command {
        RulesCommand::Test(options) => test::run(options),
        RulesCommand::Check(options) => check::run(options),
        RulesCommand::Explain(options) => explain::run(options),
    }
}

/// A program of one condition, which is ours and not the user's.
fn condition(text: &str, fields: &mut dyn Catalogue) -> Result<Ruleset> {
    let node = parser::parse(text).map_err(|e| anyhow!("{text}: {}", e.message))?;
    let checked =
        falco_rules::check::check(&node, fields).map_err(|e| anyhow!("{text}: {}", e.message))?;
    let mut builder = RulesetBuilder::new();
    builder.add(&checked);
    Ok(builder.build())
}
