//! Trees and errors of the YAML reader. The expectations are what yaml-cpp 0.8 gives.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // a panic is the report

use falco_rules::yaml::{Documents, Node};

/// A tree as text: `@line:column` before each node.
fn show(node: Node<'_>) -> String {
    let mark = node.mark();
    let content = if node.is_null() {
        "~".to_owned()
    } else if let Some(text) = node.scalar() {
        format!("{text:?}")
    } else if let Some(items) = node.sequence() {
        format!("[{}]", items.map(show).collect::<Vec<_>>().join(" "))
    } else {
        let pairs = node.map().unwrap().map(|(k, v)| format!("{}={}", show(k), show(v)));
        format!("{{{}}}", pairs.collect::<Vec<_>>().join(" "))
    };
    format!("@{}:{}{content}", mark.line, mark.column)
}

fn parse(text: &str) -> String {
    match Documents::parse(text) {
        Ok(documents) => documents.roots().map(show).collect::<Vec<_>>().join("; "),
        Err(e) => e.to_string(),
    }
}

#[test]
fn trees_and_marks() {
    let cases = [
        ("", ""),
        ("# only a comment\n", ""),
        ("---\n# nothing\n", "@2:0~"),
        ("a: b\nc:\n- d\n- e", r#"@0:0{@0:0"a"=@0:3"b" @1:0"c"=@2:0[@2:2"d" @3:2"e"]}"#),
        ("- rule: a\n  tags:", r#"@0:0[@0:2{@0:2"rule"=@0:8"a" @1:2"tags"=@1:0~}]"#),
        ("- a:\n#c\n\n- b: ~", r#"@0:0[@0:2{@0:2"a"=@3:0~} @3:2{@3:2"b"=@3:5~}]"#),
        (
            "[a, {b: c}, d: e, 'f']",
            r#"@0:0[@0:1"a" @0:4{@0:5"b"=@0:8"c"} @0:12{@0:12"d"=@0:15"e"} @0:18"f"]"#,
        ),
        ("x: [\n1,\n]\n", r#"@0:0{@0:0"x"=@0:3[@1:0"1"]}"#),
        ("a:\tb", r#"@0:0{@0:0"a"=@0:3"b"}"#),
        ("é: \"x\ny\"", r#"@0:0{@0:0"é"=@0:4"x y"}"#),
        ("- &x a\n- *x\n", r#"@0:0[@0:2"a" @0:2"a"]"#),
        ("a: 1\n---\nb\n...\nc", r#"@0:0{@0:0"a"=@0:3"1"}; @2:0"b"; @4:0"c""#),
        ("<<: {a: b}", r#"@0:0{@0:0"<<"=@0:4{@0:5"a"=@0:8"b"}}"#),
        ("- a\nb: c", r#"@0:0[@0:2"a"]; @1:0{@1:0"b"=@1:3"c"}"#),
        ("'it''s\n  two\n\n  lines'", r#"@0:0"it's two\nlines""#),
        (
            r#""a\tb\x41\u00e9\
   c""#,
            r#"@0:0"a\tbAéc""#,
        ),
    ];
    for (text, tree) in cases {
        assert_eq!(parse(text), tree, "{text:?}");
    }
}

#[test]
fn block_scalars() {
    let cases = [
        ("|\n a\n b\n\n", "a\nb\n"),
        ("|-\n a\n b\n\n", "a\nb"),
        ("|+\n a\n b\n\n", "a\nb\n\n"),
        (">\n a\n b\n", "a b\n"),
        (">-\n a\n\n b\n   c\n d\n", "a\nb\n  c\nd"),
        (">2\n   a\n  b\n", " a\nb\n"),
        ("|\n a", "a"),
        ("| # comment\n a\n", "a\n"),
    ];
    for (text, expected) in cases {
        let text = format!("k: {text}");
        assert_eq!(parse(&text), format!("@0:0{{@0:0\"k\"=@0:3{expected:?}}}"), "{text:?}");
    }
}

#[test]
fn errors() {
    let cases = [
        ("a: b: c", "line 1, column 5: illegal map value"),
        ("a: [b", "line 1, column 1: end of sequence flow not found"),
        ("a: {b: c]", "line 1, column 9: illegal flow end"),
        ("- a\n - b: c\n- d: \"e", "line 2, column 5: illegal map value"),
        ("a: \"b", "line 1, column 6: illegal EOF in scalar"),
        ("a: \"\\q\"", "line 1, column 7: unknown escape character: q"),
        ("*a", "line 1, column 1: the referenced anchor is not defined: a"),
        ("a: @b", "line 1, column 4: unknown token"),
        ("%YAML 2.0\n---\na", "line 1, column 1: YAML major version too large"),
    ];
    for (text, error) in cases {
        assert_eq!(parse(text), format!("yaml-cpp: error at {error}"), "{text:?}");
    }
}

#[test]
fn hostile_texts_end_soon() {
    // Nothing that begins no document may be one for ever; yaml-cpp hangs here.
    assert!(parse("[a], b").contains("unexpected token"));
    assert!(parse("&a [*a]").contains("not defined"));
    for deep in ["[", "{", "- ", "? ", "!a &b ", "a: &x\n"] {
        parse(&deep.repeat(100_000));
    }
    let nested: String = (0..3000).map(|i| " ".repeat(i) + "a:\n").collect();
    assert!(parse(&nested).contains("bad file"));
    let mut laughs = "- &a0 [x, x]\n".to_owned();
    for i in 1..40 {
        laughs += &format!("- &a{i} [*a{}, *a{}]\n", i - 1, i - 1);
    }
    assert!(parse(&laughs).contains("aliases expanded"));
}
