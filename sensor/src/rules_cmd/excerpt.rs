//! A line of a text with a caret below the place that a message is about.

use std::fmt::Write;

/// Widest excerpt, in characters; longer lines are cut around the caret.
const WIDTH: usize = 100;

/// Line `line` (from 0) of `text` with `length` carets from `column` (bytes, from 0) on:
///
/// ```text
///    |
/// 12 |     evnts:
///    |     ^^^^^
/// ```
///
/// Empty if there is no such line.
pub fn excerpt(text: &str, line: usize, column: usize, length: usize) -> String {
    let Some(shown) = text.lines().nth(line) else { return String::new() };
    // Tabs and control characters would move the caret away.
    let clean: Vec<char> = shown.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let at = shown.char_indices().take_while(|(i, _)| *i < column).count().min(clean.len());
    let from = if clean.len() <= WIDTH { 0 } else { at.saturating_sub(WIDTH / 2) };
    let to = clean.len().min(from + WIDTH);
    let window: String = clean.get(from..to).unwrap_or_default().iter().collect();
    let carets = "^".repeat(length.clamp(1, (to - at.min(to)).max(1)));
    let (before, after) =
        (if from > 0 { "…" } else { "" }, if to < clean.len() { "…" } else { "" });
    let number = (line + 1).to_string();
    let (margin, indent) = (" ".repeat(number.len()), at - from + before.chars().count());
    let mut out = String::new();
    // Writing to memory does not fail.
    let _ = writeln!(out, "{margin} |");
    let _ = writeln!(out, "{number} | {before}{window}{after}");
    let _ = writeln!(out, "{margin} | {}{carets}", " ".repeat(indent));
    out
}

#[cfg(test)]
mod tests {
    use super::excerpt;

    #[test]
    fn the_caret_is_below_the_place() {
        let text = "a: 1\n\té: [wrong, 2]\nc";
        assert_eq!(excerpt(text, 1, 6, 5), "  |\n2 |  é: [wrong, 2]\n  |      ^^^^^\n");
        assert_eq!(excerpt(text, 2, 9, 1), "  |\n3 | c\n  |  ^\n");
        assert_eq!(excerpt(text, 7, 0, 1), "");
    }

    #[test]
    fn long_lines_are_cut_around_the_caret() {
        let text = format!("{}X{}", "a".repeat(300), "b".repeat(300));
        let shown = excerpt(&text, 0, 300, 1);
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines[1].chars().count() < 110, "{shown}");
        let place = |line: &str, c: char| line.chars().position(|x| x == c);
        assert_eq!(place(lines[1], 'X'), place(lines[2], '^'), "{shown}");
    }
}
