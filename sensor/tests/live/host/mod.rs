//! Attacks on the host: what is done, which rules report it, with what fields. What raises nothing is a
//! near-miss.
//!
//! * [`official`]: what the rules of the official stable set are about.
//! * [`ours`]: what only rules of ours are about.

mod official;
mod ours;

use crate::attack::Attack;

/// Programs below which a person works, so that what their children do has an innocent look.
const LOGINS: &[&str] =
    &["sshd", "sshd-session", "login", "su", "sudo", "sudo-rs", "doas", "runuser"];

pub fn attacks() -> Vec<Attack> {
    let mut all = official::attacks();
    all.extend(ours::attacks());
    all
}
