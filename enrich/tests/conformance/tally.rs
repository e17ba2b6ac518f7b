//! Counting what agrees, and grouping what does not.

use std::collections::BTreeMap;

/// Misses of one cause that are printed as examples.
const EXAMPLES: usize = 2;

/// Passes and misses of one set of vectors.
#[derive(Debug, Default)]
pub struct Tally {
    passed: usize,
    total: usize,
    misses: BTreeMap<String, (usize, Vec<String>)>,
}

impl Tally {
    /// Counts a comparison; `cause` and `example` are asked for only on a miss.
    pub fn compare(
        &mut self,
        agrees: bool,
        cause: impl FnOnce() -> String,
        example: impl FnOnce() -> String,
    ) {
        self.total += 1;
        if agrees {
            self.passed += 1;
            return;
        }
        let (count, examples) = self.misses.entry(cause()).or_default();
        *count += 1;
        if examples.len() < EXAMPLES {
            examples.push(example());
        }
    }

    /// Prints the result and fails if fewer than `least` in a thousand agree.
    #[allow(clippy::print_stdout)] // that is what the test is for
    pub fn finish(self, name: &str, least: usize) {
        println!("conformance {name}: {}/{}", self.passed, self.total);
        let mut misses: Vec<_> = self.misses.iter().collect();
        misses.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        for (cause, (count, examples)) in misses {
            println!("  {count} x {cause}");
            examples.iter().for_each(|example| println!("      {example}"));
        }
        assert!(self.total > 0, "{name}: there was nothing to compare");
        let share = self.passed * 1000 / self.total;
        assert!(share >= least, "{name}: {share} in a thousand agree, {least} did once");
    }
}
