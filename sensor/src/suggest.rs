//! "Did you mean …?": the known word most like an unknown one.

/// The candidate most like `word`, if any is like it at all.
pub fn closest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    candidates
        .into_iter()
        .map(|c| (strsim::damerau_levenshtein(word, c), c))
        .filter(|(distance, c)| *distance <= 1 + word.len().max(c.len()) / 5)
        // Of equally near ones, the one that begins like the word.
        .min_by(|(a, x), (b, y)| {
            let likeness = |c| strsim::jaro_winkler(word, c);
            a.cmp(b).then_with(|| likeness(y).total_cmp(&likeness(x)))
        })
        .map(|(_, c)| c)
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
    }
}
