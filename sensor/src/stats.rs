//! What is printed at the end of a run: how often which rule matched.

use std::io::{self, Write};

use falco_rules::priority::Priority;

/// Alerts by rule number (order of definition).
#[derive(Clone, Debug, Default)]
pub struct AlertStats {
    by_rule: Vec<u64>,
}

impl AlertStats {
    /// Zeros for `rules` rules.
    pub fn new(rules: usize) -> Self {
        AlertStats { by_rule: vec![0; rules] }
    }

    /// Counts an alert.
    #[inline]
    pub fn count(&mut self, rule: usize) {
        if let Some(n) = self.by_rule.get_mut(rule) {
            *n += 1;
        }
    }

    /// How many there were of each rule.
    pub fn counts(&self) -> impl Iterator<Item = u64> {
        self.by_rule.iter().copied()
    }

    /// Prints Falco's statistics; `rules` gives name and priority of each rule.
    ///
    /// # Errors
    /// If `out` fails.
    pub fn print<'r>(
        &self,
        rules: impl Iterator<Item = (&'r str, Priority)>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let rules: Vec<_> = rules.zip(self.by_rule.iter().copied()).collect();
        writeln!(out, "Events detected: {}", self.by_rule.iter().sum::<u64>())?;
        writeln!(out, "Rule counts by severity:")?;
        for priority in Priority::ALL {
            let count: u64 =
                rules.iter().filter(|((_, p), _)| *p == priority).map(|(_, n)| n).sum();
            if count > 0 {
                writeln!(out, "   {}: {count}", short_name(priority))?;
            }
        }
        writeln!(out, "Triggered rules by rule name:")?;
        for ((name, _), count) in rules.iter().filter(|(_, count)| *count > 0) {
            writeln!(out, "   {name}: {count}")?;
        }
        Ok(())
    }
}

fn short_name(priority: Priority) -> String {
    match priority {
        Priority::Informational => "INFO".to_owned(),
        other => other.name().to_uppercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_falcos() {
        let mut stats = AlertStats::new(3);
        [2, 0, 2, 99].into_iter().for_each(|rule| stats.count(rule));
        let rules = [
            ("Two words", Priority::Notice),
            ("Never", Priority::Emergency),
            ("Third", Priority::Informational),
        ];
        let mut out = Vec::new();
        stats.print(rules.into_iter(), &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "Events detected: 3\nRule counts by severity:\n   NOTICE: 1\n   INFO: 2\n\
             Triggered rules by rule name:\n   Two words: 1\n   Third: 2\n"
        );
    }
}
