//! [`Input`]: the options by which tools are told of configuration and rules.

use std::path::PathBuf;

/// Configuration and rules.
#[derive(Debug, clap::Args)]
pub struct Input {
    /// Rules file or directory; may be repeated; replaces rules_files
    #[arg(short = 'r', value_name = "PATH")]
    pub rules: Vec<PathBuf>,

    /// Configuration file [default: /etc/falco/falco.yaml]
    #[arg(short = 'c', value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Override one configuration key; may be repeated
    #[arg(short = 'o', long = "option", value_name = "KEY=VAL")]
    pub overrides: Vec<String>,
}
