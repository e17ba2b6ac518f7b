//! What people are told about bad files beyond what Falco says: the very token, what was meant, and
//! everything at once.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // a panic is the report

mod common;

use common::TestFields;
use falco_rules::loader::{Finding, LoadResult, Loader, LoaderOptions, Severity, Source};

fn load_bytes(loader: &mut Loader, text: &[u8]) -> LoadResult {
    let mut fields = TestFields;
    let mut sources = [Source { name: "syscall", catalogue: &mut fields }];
    loader.load("rules.yaml", text, &mut sources)
}

fn load(text: &str) -> LoadResult {
    load_bytes(&mut Loader::new(LoaderOptions::default()), text.as_bytes())
}

/// All errors and notes of a file.
fn all(text: &str) -> Vec<Finding> {
    let mut loader = Loader::new(LoaderOptions::default());
    loader.report_all_errors();
    let mut findings = load_bytes(&mut loader, text.as_bytes()).findings();
    findings.retain(|finding| finding.severity != Severity::Warning);
    findings
}

/// The only error of a file.
#[track_caller]
fn error(text: &str) -> Finding {
    let result = load(text);
    let findings = result.findings();
    let mut errors = findings.into_iter().filter(|f| f.severity == Severity::Error);
    errors.next().unwrap_or_else(|| panic!("no error in {text}"))
}

/// Asserts that the error is at the first place of `token` in the file, line, column and caret
/// included.
#[track_caller]
fn assert_at(text: &str, token: &str) {
    let finding = error(text);
    let offset = text.find(token).unwrap();
    let shown = text.get(finding.offset..).unwrap_or_default();
    let shown: String = shown.chars().take(20).collect();
    assert_eq!(finding.offset, offset, "at {shown:?} instead of {token:?}: {finding}");
    let before = &text[..offset];
    let line = before.rsplit('\n').next().unwrap();
    assert_eq!(finding.line, 1 + before.matches('\n').count(), "{finding}");
    assert_eq!(finding.column, 1 + line.chars().count(), "{finding}");
    let mut excerpt = finding.excerpt.lines();
    let (shown, caret) = (excerpt.next().unwrap(), excerpt.next().unwrap());
    assert!(text.contains(shown), "{finding}");
    let column = caret.chars().position(|c| c == '^').unwrap();
    let at_caret: String = shown.chars().skip(column).collect();
    assert!(at_caret.starts_with(token.lines().next().unwrap()), "{finding}");
    assert!(load(text).explain().contains(&finding.to_string()));
}

/// A rule whose condition is `scalar` as written, with more lines behind.
fn rule(scalar: &str, more: &str) -> String {
    format!("- rule: r\n  desc: d\n  condition: {scalar}\n  output: out\n  priority: info\n{more}")
}

#[test]
fn carets_in_every_style_of_scalar() {
    for scalar in [
        "evt.type=open and no.field=x",
        "evt.type=open and\n    proc.name=a and\n\n    no.field=x",
        "'evt.type=open and proc.name=''a'' and\n    no.field=x'",
        "\"evt.type=open and proc.name=\\\"a\\\" and\\\n    \\x20 no.field=x\"",
        "\"evt.type=open and\\nproc.name='a\\tb' and no.field=x\"",
        ">\n    evt.type=open and\n    proc.name=a and\n    no.field=x",
        ">-\n    evt.type=open\n      and proc.name=a\n\n    and no.field=x",
        ">+ # folded\n    evt.type=open\n    and no.field=x\n\n",
        "|\n    evt.type=open\n      and proc.name=a\n    and no.field=x\n    or proc.name=b",
        "|2-\n      evt.type=open and\n    (no.field=x)",
        "!!str &c\n    evt.type=open and no.field=x",
        ">\n    proc.name=größe and proc.pname='日本 語' and no.field=x",
        ">\n    evt.type=open\tand\n    \tno.field=x",
        "\"proc.name='\\u00e9é' and no.field=x\"",
    ] {
        assert_at(&rule(scalar, ""), "no.field");
    }
    // Line breaks may be those of Windows, and the file may begin with a mark.
    assert_at(
        &rule(">\n    evt.type=open and\n    no.field=x", "").replace('\n', "\r\n"),
        "no.field",
    );
    let marked = load(&format!("\u{feff}{}", rule("no.field=x", "")));
    assert_eq!((marked.findings()[0].line, marked.findings()[0].column), (3, 14));
}

#[test]
fn carets_where_a_condition_does_not_parse() {
    assert_at(&rule(">\n    evt.type=open and\n    proc.name is x", ""), "is x");
    assert_at(&rule("|\n    evt.type=open and\n    (proc.name=a or proc.name=b adn b)", ""), "adn");
    assert_at(&rule("evt.type=open and macro(x)", ""), "(x)");
    // Behind the last character, if something is missing at the end.
    let text = rule(">\n    (evt.type=open", "");
    let finding = error(&text);
    assert_eq!(text[..finding.offset].lines().last(), Some("    (evt.type=open"));
}

#[test]
fn carets_in_conditions_with_lists() {
    let lists = "- list: l\n  items: [a, b c, d]\n- list: empty\n  items: []\n";
    for condition in [
        ">\n    proc.name in (l, x) and\n    no.field=x",
        ">\n    proc.name in (empty, l) and\n    proc.name in ( l ,\n    empty) and no.field=x",
        "\"proc.name in (l,l,l) and no.field=x and proc.pname in (l)\"",
    ] {
        assert_at(&format!("{lists}{}", rule(condition, "")), "no.field");
    }
    // What comes out of a list is shown where the list is named.
    let text = format!("{lists}{}", rule(">\n    evt.type=open and\n    fd.num in (1, l)", ""));
    assert_at(&text, "fd.num in");
    let text = format!("- list: bad\n  items: [\")\"]\n{}", rule("proc.name in (a, bad)", ""));
    let finding = error(&text);
    assert!(text[finding.offset..].starts_with("bad)") || text[..finding.offset].ends_with("bad)"));
}

#[test]
fn carets_in_conditions_with_exceptions() {
    let exceptions = "  exceptions:\n  - name: e\n    fields: [proc.name, fd.num]\n    values:\n    \
                      - [a, 1]\n    - [b, 2]\n";
    let text = rule(">\n    evt.type=open and\n    no.field=x", exceptions);
    assert_at(&text, "no.field");
    assert_at(&rule("evt.type=open", &exceptions.replace("2]", "x]")), "[b, x]");
    let single = "  exceptions:\n  - name: e\n    fields: fd.num\n    values: [1, 2, x]\n";
    // The comparison begins with the field, which stands in the exception.
    assert_at(&rule("evt.type=open", single), "name: e");
}

#[test]
fn carets_in_what_was_appended_and_in_macros() {
    let base = rule("evt.type=open", "");
    let more =
        "- rule: r\n  condition: >\n    and\n    no.field=x\n  override: {condition: append}\n";
    assert_at(&format!("{base}{more}"), "no.field");
    let replaced = more.replace("append", "replace").replace("    and\n", "");
    assert_at(&format!("{base}{replaced}"), "no.field");
    let macros = "- macro: inner\n  condition: >\n    proc.name=a or\n    no.field=x\n\
                  - macro: outer\n  condition: (proc.name=b or inner)\n";
    assert_at(&format!("{macros}{}", rule("evt.type=open and outer", "")), "no.field");
    let unknown = "- macro: m\n  condition: proc.name=a and\n    nosuch\n";
    assert_at(&format!("{unknown}{base}"), "nosuch");
    assert_at(&rule("evt.type=open and (proc.name=a or nosuch)", ""), "nosuch");
}

#[test]
fn types_that_cannot_be_analysed_are_an_error_of_the_rule() {
    for condition in ["evt.type=val(proc.name)", "proc.name=a and tolower(evt.type)=open"] {
        let finding = error(&rule(condition, ""));
        assert_eq!(finding.code, "LOAD_ERR_COMPILE_CONDITION");
        assert!(finding.message.contains("event code search"), "{finding}");
    }
    assert_at(&rule(">\n    proc.name=a and\n    evt.type=val(proc.name)", ""), "evt.type=");
}

#[test]
fn what_was_probably_meant() {
    let lists = "- list: web_ports\n  items: [80, 443]\n- macro: spawned\n  condition: \
                 evt.type=execve\n- list: shell_binaries\n  items: [sh]\n";
    let priority = rule("evt.type=open", "").replace("info", "waring");
    let key = rule("evt.type=open", "").replace("condition:", "conditon:");
    let output = rule("evt.type=open", "").replace("out\n", "'%proc.nmae'\n");
    let exception = "  exceptions:\n  - name: e\n    fields: [proc.nam]\n    values: [[a]]\n";
    let operator = "  exceptions:\n  - name: e\n    fields: [proc.name]\n    comps: [startwith]\n    \
                    values: [[a]]\n";
    for (text, hint) in [
        (rule("proc.nmae=a", ""), "did you mean 'proc.name'?"),
        (rule("proc.anme[1]=a", ""), "did you mean 'proc.aname'?"),
        (rule("spawnd and proc.name=a", ""), "did you mean 'spawned'?"),
        (
            rule("evt.type=open and web_ports", ""),
            "'web_ports' is a list: compare with it, as in 'proc.name in (web_ports)'",
        ),
        (rule("evt.type=opne", ""), "did you mean 'open'?"),
        (rule("proc.name startwith a", ""), "did you mean 'startswith'?"),
        (rule("proc.name=a an proc.name=b", ""), "did you mean 'and'?"),
        (rule("tolowr(proc.name)=a", ""), "did you mean 'tolower'?"),
        (rule("fd.num in (web_prots)", ""), "did you mean the list 'web_ports'?"),
        (priority, "did you mean 'warning'?"),
        (key, "is 'conditon' meant to be 'condition'?"),
        (output, "did you mean 'proc.name'?"),
        (rule("evt.type=open", exception), "did you mean 'proc.name'?"),
        (rule("evt.type=open", operator), "did you mean 'startswith'?"),
    ] {
        let text = format!("{lists}{text}");
        let finding = error(&text);
        assert_eq!(finding.hint.as_deref(), Some(hint), "{finding}");
        let explained = load(&text).explain();
        assert!(explained.contains(&format!("  = {hint}\n")), "{explained}");
        // Falco's own words are as ever.
        assert!(!load(&text).to_text(true).contains(hint));
    }
    // A text that looks like a list is a suspicion only.
    let notes = all(&format!("{lists}{}", rule("proc.name in (a, shell_binarys)", "")));
    let [note] = notes.as_slice() else { panic!("{notes:?}") };
    assert_eq!(note.severity, Severity::Note);
    assert_eq!(
        note.message,
        "'shell_binarys' is compared as text: did you mean the list 'shell_binaries'?"
    );
    assert_eq!((note.line, note.column), (9, 31));
    // Warnings have hints too.
    let result = load(&rule("evt.type=open", "  tag: [x]\n"));
    let warning = result.findings().remove(0);
    assert_eq!(warning.hint.as_deref(), Some("did you mean 'tags'?"));
}

#[test]
fn every_broken_item_is_reported_once() {
    let text = "\
- list: broken_list
  items: text
- list: holds_it
  items: [broken_list, x]
- macro: broken_macro
  condition: proc.name is a
- macro: uses_it
  condition: broken_macro or proc.name=b
- macro: fine
  condition: proc.name=c
- macro: wrong_field
  condition: no.field=c
- rule: wrong macro
  desc: d
  condition: evt.type=open and wrong_field
  output: out
  priority: info
- text
- rule: uses broken macros
  desc: d
  condition: evt.type=open and uses_it
  output: out
  priority: info
- rule: uses broken lists
  desc: d
  condition: fd.num in (holds_it)
  output: out
  priority: info
- rule: no priority
  desc: d
  condition: evt.type=open
  output: out
- rule: no priority
  condition: and proc.name=a
  append: true
- rule: bad field
  desc: d
  condition: evt.type=open and no.field=a
  output: out
  priority: info
- rule: bad output
  desc: d
  condition: evt.type=open and wrong_field
  output: '%no.field'
  priority: info
- rule: good
  desc: d
  condition: evt.type=open and fine
  output: out
  priority: info
- rule: unknown
  condition: and proc.name=a
  append: true
";
    let found = all(text);
    let found: Vec<(usize, &str)> =
        found.iter().map(|f| (f.line, f.item.as_ref().map_or("", |(_, name)| name))).collect();
    let expected = [
        (2, "broken_list"),
        (18, ""),
        (29, "no priority"),
        (51, "unknown"),
        (6, "broken_macro"),
        (12, "wrong_field"),
        (38, "bad field"),
        (44, "bad output"),
    ];
    assert_eq!(found, expected);

    let mut loader = Loader::new(LoaderOptions::default());
    loader.report_all_errors();
    let result = load_bytes(&mut loader, text.as_bytes());
    assert_eq!(result.to_json()["errors"].as_array().unwrap().len(), expected.len());
    assert!(result.to_text(true).contains("\n8 Errors:\n"));
    assert!(result.to_text(false).contains("\n 8 errors: ["));
    // What is good is loaded, and the next file hears nothing of it any more.
    assert_eq!(loader.rules().iter().map(|r| r.name.as_str()).collect::<Vec<_>>(), ["good"]);
    let next = "- macro: broken_macro\n  condition: proc.name=a\n".to_owned()
        + &rule("evt.type=open and broken_macro", "");
    let result = load_bytes(&mut loader, next.as_bytes());
    assert!(result.successful(), "{}", result.explain());
    assert_eq!(loader.rules().len(), 2);
    // Without the wish, the first error is the only one.
    assert_eq!(load(text).to_json()["errors"].as_array().unwrap().len(), 1);
}

#[test]
fn files_may_be_utf_16() {
    let text = rule("proc.name=größe and no.field=x", "");
    let expected = error(&text);
    for units in [
        text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>(),
        "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_be_bytes).collect(),
    ] {
        let mut loader = Loader::new(LoaderOptions::default());
        assert_eq!(load_bytes(&mut loader, &units).findings()[0], expected);
    }
}

#[test]
fn rules_with_patterns_that_explode_are_refused_at_once_and_named() {
    let patterns = [
        "(((a{1,1000}){1,1000}){1,1000})",
        "((x{1000}|y{1000})*z){999}",
        "([[:alpha:]é-ü]{30}[^a]{30}.{30}){10}.{1000}.{1000}.{1000}.{1000}.{1000}.{1000}",
        "(a*)*b",
    ];
    let text: String = (0..200)
        .map(|i| {
            let pattern = patterns[i % patterns.len()];
            rule(&format!("proc.name regex \"'{pattern}'\""), "")
                .replace("rule: r", &format!("rule: r{i}"))
        })
        .collect();
    let text = text.replace("condition: proc.name regex \"'", "condition: \"proc.name regex '");
    let started = std::time::Instant::now();
    let findings = all(&text);
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
    println!("200 rules: {:?}, {} errors", started.elapsed(), findings.len());
    assert!(findings.len() >= 100);
    let first = findings[0].to_string();
    assert!(first.contains("invalid regex pattern: invalid repetition size: {1,1000}"), "{first}");
    assert!(first.contains("in rule 'r0'") && first.contains(patterns[0]), "{first}");
}
