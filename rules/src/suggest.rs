//! "Did you mean …?": the known word most like an unknown one.

/// The candidate most like `word`, if any is like it at all: about one slip of the keyboard in five
/// letters.
///
/// ```
/// use falco_rules::suggest::closest;
/// assert_eq!(closest("proc.nmae", ["proc.name", "fd.name"]), Some("proc.name"));
/// assert_eq!(closest("webserver", ["proc.name", "fd.name"]), None);
/// ```
pub fn closest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let length = word.len();
    // Words that differ more in length than they may in letters need no closer look.
    let slips = |c: &str| 1 + length.max(c.len()) / 5;
    candidates
        .into_iter()
        .filter(|c| *c != word && length.abs_diff(c.len()) <= slips(c) && length <= MAX_WORD)
        .map(|c| (strsim::damerau_levenshtein(word, c), c))
        .filter(|(distance, c)| *distance <= slips(c))
        // Of equally near ones, the one that begins like the word.
        .min_by(|(a, x), (b, y)| {
            let likeness = |c| strsim::jaro_winkler(word, c);
            a.cmp(b).then_with(|| likeness(y).total_cmp(&likeness(x)))
        })
        .map(|(_, c)| c)
}

/// Nobody mistypes anything longer; it would only take time. In bytes.
const MAX_WORD: usize = 256;

/// ``did you mean `x`?`` for the closest candidate.
pub fn did_you_mean<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<String> {
    closest(word, candidates).map(|candidate| format!("did you mean '{candidate}'?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_like_words_are_suggested() {
        let words = ["json_output", "rules_files", "proc.name", "fd.num", "fd.name"];
        assert_eq!(closest("fd.nam", words), Some("fd.name"));
        assert_eq!(closest("jsn_output", words), Some("json_output"));
        assert_eq!(closest("proc.nmae", words), Some("proc.name"));
        assert_eq!(closest("webserver", words), None);
        assert_eq!(closest(&"x".repeat(1 << 20), words), None);
        assert_eq!(did_you_mean("fd.nam", words).as_deref(), Some("did you mean 'fd.name'?"));
    }
}
