//! Expected and raised alerts side by side.

use std::collections::BTreeMap;

use super::file::Expected;

/// An alert that was raised.
#[derive(Clone, Debug)]
pub struct Alert {
    /// Its rule.
    pub rule: String,
    /// Number of the event.
    pub event: u64,
    /// The rule's priority.
    pub priority: &'static str,
    /// The message, without time and priority.
    pub output: String,
    /// Values of the fields that the test names anywhere.
    pub fields: BTreeMap<String, String>,
}

/// One line of a comparison.
#[derive(Clone, Debug)]
pub enum Line {
    /// As expected.
    Same(Alert),
    /// Of the expected rule, but otherwise different: what, each in a sentence's words.
    Different(Alert, Vec<String>),
    /// Expected and not raised: the rule, and why.
    Missing(String, Vec<String>),
    /// Raised and not expected.
    Unexpected(Alert),
}

/// Pairs expected and raised alerts in their order, so that as few as possible are left over.
pub fn compare(expect: &[Expected], alerts: Vec<Alert>) -> Vec<Line> {
    // cost[i][j]: of the rest from expected i and raised j on.
    let (n, m) = (expect.len(), alerts.len());
    let differences: Vec<Vec<Option<Vec<String>>>> =
        expect.iter().map(|e| alerts.iter().map(|a| difference(e, a)).collect()).collect();
    let pair = |i: usize, j: usize| -> Option<usize> {
        let found = differences.get(i)?.get(j)?.as_ref()?;
        Some(found.len().min(1))
    };
    let mut cost = vec![vec![0_usize; m + 1]; n + 1];
    for i in (0..=n).rev() {
        for j in (0..=m).rev() {
            let mut best = usize::MAX;
            if i == n && j == m {
                best = 0;
            }
            if i < n {
                best = best.min(cost[i + 1][j] + 1);
            }
            if j < m {
                best = best.min(cost[i][j + 1] + 1);
            }
            if let Some(pairing) = pair(i, j) {
                best = best.min(cost[i + 1][j + 1] + pairing);
            }
            cost[i][j] = best;
        }
    }
    let mut lines = Vec::new();
    let mut alerts = alerts.into_iter();
    let (mut i, mut j) = (0, 0);
    while i < n || j < m {
        let paired = pair(i, j).filter(|pairing| cost[i][j] == cost[i + 1][j + 1] + pairing);
        if paired.is_some() {
            let found = differences.get(i).and_then(|row| row.get(j)).cloned().flatten();
            if let Some(alert) = alerts.next() {
                lines.push(match found {
                    Some(found) if !found.is_empty() => Line::Different(alert, found),
                    _ => Line::Same(alert),
                });
            }
            (i, j) = (i + 1, j + 1);
        } else if i < n && cost[i][j] == cost[i + 1][j] + 1 {
            let rule = expect.get(i).map_or(String::new(), |e| e.rule.name.clone());
            lines.push(Line::Missing(rule, Vec::new()));
            i += 1;
        } else {
            lines.extend(alerts.next().map(Line::Unexpected));
            j += 1;
        }
    }
    lines
}

/// How an alert differs from what is expected; None if it is of another rule.
fn difference(expected: &Expected, alert: &Alert) -> Option<Vec<String>> {
    if expected.rule.name != alert.rule {
        return None;
    }
    let mut found = Vec::new();
    if let Some(priority) = expected.priority.map(|p| p.name()).filter(|p| *p != alert.priority) {
        found.push(format!("priority is {}, expected {priority}", alert.priority));
    }
    for (field, wanted) in &expected.fields {
        let value = alert.fields.get(&field.name).map_or("<NA>", String::as_str);
        if value != wanted {
            found.push(format!("{} is '{value}', expected '{wanted}'", field.name));
        }
    }
    if let Some(part) = expected.output.as_ref().filter(|part| !alert.output.contains(*part)) {
        found.push(format!("output is '{}', expected it to have '{part}'", alert.output));
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use falco_rules::yaml::Mark;

    use super::super::file::Named;
    use super::*;

    fn expected(rule: &str, value: &str) -> Expected {
        let named = |name: &str| Named { name: name.to_owned(), mark: Mark::default() };
        let fields = vec![(named("f"), value.to_owned())];
        Expected { rule: named(rule), priority: None, fields, output: None }
    }

    fn alert(rule: &str, value: &str) -> Alert {
        let fields = BTreeMap::from([("f".to_owned(), value.to_owned())]);
        let (rule, output) = (rule.to_owned(), String::new());
        Alert { rule, event: 1, priority: "Error", output, fields }
    }

    /// `=`, `!`, `-` and `+` in the order of the comparison.
    fn compared(expect: &[(&str, &str)], alerts: &[(&str, &str)]) -> String {
        let expect: Vec<_> = expect.iter().map(|(rule, value)| expected(rule, value)).collect();
        let alerts = alerts.iter().map(|(rule, value)| alert(rule, value)).collect();
        let sign = |line: &Line| match line {
            Line::Same(_) => '=',
            Line::Different(..) => '!',
            Line::Missing(..) => '-',
            Line::Unexpected(_) => '+',
        };
        compare(&expect, alerts).iter().map(sign).collect()
    }

    #[test]
    fn as_few_as_possible_are_left_over() {
        let (a, b, c) = (("A", "1"), ("B", "1"), ("C", "1"));
        assert_eq!(compared(&[], &[]), "");
        assert_eq!(compared(&[a, b], &[a, b]), "==");
        assert_eq!(compared(&[a, b], &[b]), "-=");
        assert_eq!(compared(&[b], &[a, b, c]), "+=+");
        assert_eq!(compared(&[a, b, c], &[a, c]), "=-=");
        assert_eq!(compared(&[a], &[("A", "2")]), "!");
        assert_eq!(compared(&[a], &[("A", "2"), a]), "+=");
        // Order counts.
        assert_eq!(compared(&[a, b], &[b, a]).matches('=').count(), 1);
    }
}
