//! Sandboxes of gVisor, as far as they concern the program: how they are set up as a source, and
//! `falco gvisor …`. What gVisor sends is read in the crate `falco_gvisor`.
//!
//! * [`setup`]: what the configuration says; [`here`]: what of gVisor there is on this host.
//! * `init_config`, `install`, `sessions`: the commands.

pub mod here;
mod init_config;
mod install;
mod sessions;
pub mod setup;

use anyhow::Result;

use crate::cli::gvisor::{GvisorCommand, GvisorOptions};

/// Carries out what was asked for.
///
/// # Errors
/// If configuration or rules are wrong, a file cannot be written, or stdout fails.
pub fn run(options: &GvisorOptions) -> Result<()> {
    match &options.command {
        GvisorCommand::InitConfig(options) => init_config::run(options),
        GvisorCommand::Install(options) => install::run(options),
        GvisorCommand::Sessions(options) => sessions::run(options),
    }
}
