//! Which opens a tree is not stopped at twice for, because no rule can match them.

use falco_enrich::openings;
use falco_enrich::selection::BaseSyscalls;
use falco_ptrace::Openings;
use falco_rules::loader::SYSCALL_SOURCE;

use super::options::TraceOptions;
use crate::session::Session;

/// The opens that matter to rules; `None`, which is all, where somebody else looks at events, too: a
/// recording has them all, and so has who names the calls to be watched.
///
/// Of a tree that runs already, it is not known which processes have memory in common: one could change
/// the path that another opens.
pub(super) fn that_matter(
    options: &TraceOptions,
    session: &Session,
    base: &BaseSyscalls,
) -> Option<Openings> {
    let is_recorded = options.write.is_some() || session.config.capture_enabled;
    if is_recorded || base.names_more() || !options.pid.is_empty() {
        return None;
    }
    let rules = session.rules.iter();
    let rules = rules.filter(|rule| rule.enabled && rule.source == SYSCALL_SOURCE);
    let openings = openings::Openings::of(rules.map(|rule| &rule.checked))?;
    Some(Openings::new(move |path| openings.matter(path)))
}
