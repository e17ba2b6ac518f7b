//! Properties that hold for every condition and every rules file.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // a panic is the report

mod common;

use std::sync::Arc;

use common::TestFields;
use falco_rules::ast::{Node, NodeKind, Pos, Text};
use falco_rules::loader::{ExtraOutput, Loader, LoaderOptions, Selection, Severity, Source};
use falco_rules::{describe, parser, print};
use proptest::prelude::*;

fn node(kind: NodeKind) -> Node {
    Node { pos: Pos::default(), kind }
}

/// Constants as conditions can hold them: text that goes without quotes must be one bare word.
fn text() -> impl Strategy<Value = Text> {
    let text = prop_oneof![
        "[/:.*<>a-z0-9-]{1,10}",
        // With a blank it is quoted, so anything else may be in it too.
        "[a-zé(),=\"'\\\\\n\t#]{0,6} [a-zé(),=\"'\\\\\n\t#]{0,6}",
    ];
    let special: [&[u8]; 6] = [b"and", b"or", b"not", b"oneof", b"anyof", b"allof"];
    text.prop_map(|text: String| Text(text.into_bytes()))
        .prop_filter("words with a meaning of their own", move |Text(text)| {
            !special.contains(&text.as_slice())
        })
        // Falco takes the quote behind a backslash for an escaped one, whatever is before, so this
        // cannot be written.
        .prop_filter("a backslash at the end", |Text(text)| !text.ends_with(b"\\"))
}

fn field() -> impl Strategy<Value = Node> {
    let argument =
        prop_oneof![Just(None), "[a-z0-9.]{1,4}".prop_map(Some), " [a-z\"]{0,3}".prop_map(Some)];
    ("[a-z]{1,4}\\.[a-z][a-z0-9_]{0,4}(\\.[a-z]{1,3})?", argument)
        .prop_map(|(name, arg)| node(NodeKind::Field { name, arg }))
}

/// A field, or transformers around one.
fn left() -> impl Strategy<Value = Node> {
    let constant = "[a-z]{1,4} [a-z]{0,4}".prop_map(|text| Text(text.into_bytes()));
    field().prop_recursive(3, 8, 3, move |inner| {
        let constant = constant.clone().prop_map(|text| node(NodeKind::Value(text)));
        let list = prop::collection::vec(field(), 0..3)
            .prop_map(|fields| node(NodeKind::TransformerList(fields.into())));
        prop_oneof![
            inner.clone().prop_map(|arg| ("tolower", vec![arg])),
            (inner.clone(), constant).prop_map(|(a, b)| ("concat", vec![a, b])),
            (inner, list).prop_map(|(a, b)| ("join", vec![a, b])),
        ]
        .prop_map(|(name, args)| {
            node(NodeKind::Transformer { name: name.into(), args: args.into(), arg: None })
        })
    })
}

fn check() -> impl Strategy<Value = Node> {
    let list = || {
        prop::collection::vec(text(), 0..4).prop_map(|values| node(NodeKind::List(values.into())))
    };
    let value = || text().prop_map(|text| node(NodeKind::Value(text)));
    let val = || {
        field().prop_map(|field| {
            node(NodeKind::Transformer { name: "val".into(), args: [field].into(), arg: None })
        })
    };
    let strings = prop::sample::select(vec!["=", "!=", "glob", "icontains", "startswith", "regex"]);
    let modified = prop::sample::select(vec!["= oneof", "contains anyof", "endswith allof"]);
    let numbers = prop::sample::select(vec!["<", "<=", ">", ">="]);
    let lists = prop::sample::select(vec!["in", "intersects", "pmatch"]);
    let number =
        "-?[0-9]{1,5}".prop_map(|text: String| node(NodeKind::Value(Text(text.into_bytes()))));
    let right = prop_oneof![
        (strings, prop_oneof![value(), val()]),
        (modified, list()),
        (numbers, prop_oneof![number.boxed(), val().boxed()]),
        (lists, list()),
    ];
    prop_oneof![
        left().prop_map(|left| node(NodeKind::Unary { left: Arc::new(left), op: "exists".into() })),
        (left(), right).prop_map(|(left, (op, right))| {
            let (left, right) = (Arc::new(left), Arc::new(right));
            node(NodeKind::Binary { left, op: op.into(), right })
        }),
        "[a-z_]{2,6}x"
            .prop_filter("begins as identifiers do", |name| !name.starts_with('_'))
            // `or` and `and` are taken from the front of what looks like a name.
            .prop_filter("begins like a keyword", |name| {
                !["or", "and", "not"].iter().any(|word| name.starts_with(word))
            })
            .prop_map(|name| node(NodeKind::Identifier(name))),
    ]
}

fn condition() -> impl Strategy<Value = Node> {
    check().prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(|c| node(NodeKind::And(c.into()))),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|c| node(NodeKind::Or(c.into()))),
            // Two negations are none.
            inner
                .prop_filter("no double negation", |n| !matches!(n.kind, NodeKind::Not(_)))
                .prop_map(|c| node(NodeKind::Not(Arc::new(c)))),
        ]
    })
}

/// Without positions.
fn bare(mut node: Node) -> Node {
    node.pos = Pos::default();
    let all = |nodes: Arc<[Node]>| nodes.iter().cloned().map(bare).collect();
    let boxed = |node: Arc<Node>| Arc::new(bare(Node::clone(&node)));
    node.kind = match node.kind {
        NodeKind::And(children) => NodeKind::And(all(children)),
        NodeKind::Or(children) => NodeKind::Or(all(children)),
        NodeKind::Not(child) => NodeKind::Not(boxed(child)),
        NodeKind::TransformerList(items) => NodeKind::TransformerList(all(items)),
        NodeKind::Unary { left, op } => NodeKind::Unary { left: boxed(left), op },
        NodeKind::Binary { left, op, right } => {
            NodeKind::Binary { left: boxed(left), op, right: boxed(right) }
        }
        NodeKind::Transformer { name, args, arg } => {
            NodeKind::Transformer { name, args: all(args), arg }
        }
        leaf => leaf,
    };
    node
}

/// Words of conditions, by turns with junk.
fn condition_text() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "and",
        "or",
        "not",
        "not(",
        "(",
        ")",
        "proc.name",
        "evt.type",
        "fd.num",
        "=",
        "!=",
        "<",
        "in",
        "(a,",
        "b)",
        "\"",
        "'",
        "\"a b\"",
        "exists",
        "contains",
        "oneof",
        "startswith",
        "tolower(",
        "val(",
        "join(",
        ",",
        "[",
        "]",
        "\\",
        "1",
        "0x1",
        "macro",
        "=x",
        "\n",
        "\0",
        "é",
        ")[0]",
    ]);
    let blank = prop::sample::select(vec!["", " ", " "]);
    prop::collection::vec((word, blank), 0..30)
        .prop_map(|words| words.into_iter().map(|(w, b)| format!("{w}{b}")).collect())
}

/// Text that looks like a rules file.
fn rules_text() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        prop::sample::select(vec![
            "- rule: a",
            "- rule: b",
            "- macro: m",
            "- macro: macro",
            "- list: l",
            "- list: b",
            "  items: [a, l, \"x y\"]",
            "  items: [",
            "  condition: evt.type=open",
            "  condition: m and proc.name in (l)",
            "  condition: >",
            "  output: \"%proc.name\"",
            "  output: x %evt.dir %nope",
            "  desc: d",
            "  priority: info",
            "  priority: DEBUG",
            "  append: true",
            "  enabled: no",
            "  override:",
            "    condition: append",
            "    items: append",
            "    output: replace",
            "    exceptions: append",
            "  exceptions:",
            "  - name: e",
            "    fields: [proc.name]",
            "    fields: proc.name",
            "    comps: [=]",
            "    comps: in",
            "    values:",
            "    - [a]",
            "    - b",
            "    - [[a, b]]",
            "  source: syscall",
            "  source: other",
            "  tags: [t, &x y]",
            "  tags: *x",
            "  skip-if-unknown-filter: true",
            "- required_engine_version: 0.30.0",
            "- required_engine_version: 99",
            "- required_plugin_versions:",
            "  - name: container",
            "    version: 0.4.0",
            "    alternatives: [{name: a, version: 1.0.0}]",
            "---",
            "...",
            "- x",
            "a: b",
            "  capture: true",
        ])
        .prop_map(str::to_owned),
        condition_text().prop_map(|text| format!("  condition: {text}")),
        "[ -~]{0,12}",
    ];
    prop::collection::vec(line, 0..25).prop_map(|lines| lines.join("\n"))
}

/// Whoever wants all errors of a file hears of one exactly if it would have been refused anyway, and
/// every finding lies within the file.
fn all_errors_agree(files: &[&[u8]]) {
    let Some(first) = files.first() else { return };
    let [plain, all] = [false, true].map(|all| {
        let mut loader = Loader::new(LoaderOptions::default());
        if all {
            loader.report_all_errors();
        }
        let mut fields = TestFields;
        loader.load("f", first, &mut [Source { name: "syscall", catalogue: &mut fields }])
    });
    assert_eq!(plain.successful(), all.successful(), "{}{}", plain.explain(), all.explain());
    if plain.successful() {
        assert_eq!(plain.to_json(), all.to_json());
    }
    let text = String::from_utf8_lossy(first);
    for finding in all.findings() {
        assert!(finding.line <= 1 + text.lines().count(), "{finding}");
        assert!(finding.excerpt.ends_with("^\n"), "{finding}");
    }
}

/// Loads, and uses everything that a load gives.
fn load(files: &[&[u8]]) {
    let options = LoaderOptions {
        extra_outputs: vec![ExtraOutput { suggested_output: true, ..ExtraOutput::default() }],
        ..LoaderOptions::default()
    };
    let mut loader = Loader::new(options);
    let mut fields = TestFields;
    let mut sources = [Source { name: "syscall", catalogue: &mut fields }];
    for file in files {
        let result = loader.load("file.yaml", file, &mut sources);
        assert_eq!(result.successful(), result.error().is_none());
        assert_eq!(result.to_json()["errors"].as_array().unwrap().is_empty(), result.successful());
        assert!(result.to_text(true).len() >= result.to_text(false).len().min(10));
        assert_eq!(result.explain().is_empty(), result.successful());
        assert_eq!(
            result.findings().iter().any(|f| f.severity == Severity::Error),
            !result.successful()
        );
    }
    all_errors_agree(files);
    let _ = loader.check_required_plugins();
    let described = loader.describe(None, &mut sources).unwrap();
    assert_eq!(described["rules"].as_array().unwrap().len(), loader.rules().len());
    describe::to_text(&described);
    loader.select(Selection::Wildcard("*"), true);
    loader.ruleset("syscall");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn printing_and_parsing_is_the_identity(condition in condition()) {
        let text = String::from_utf8(print::print(&condition)).unwrap();
        let parsed = parser::parse(&text).map_err(|e| TestCaseError::fail(format!("{text}: {e}")))?;
        prop_assert_eq!(bare(parsed), condition, "{}", text);
    }

    #[test]
    fn any_text_parses_or_is_refused_within_it(text in prop_oneof![condition_text(), any::<String>()]) {
        match parser::parse(&text) {
            Ok(node) => { print::print(&node); }
            Err(e) => prop_assert!(e.pos.index <= text.len(), "{e}"),
        }
    }

    #[test]
    fn loading_never_panics(first in rules_text(), second in rules_text()) {
        load(&[first.as_bytes(), second.as_bytes()]);
    }

    #[test]
    fn loading_bytes_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        load(&[&bytes]);
    }
}

#[test]
fn hostile_conditions_end_soon() {
    let many = |part: &str| part.repeat(100_000);
    for text in [
        many("("),
        many("not "),
        many("not("),
        many("a and "),
        many("tolower("),
        many("a.b in (a,"),
        format!("a.b in ({}x)", many("a,")),
        format!("a.b = {}", many("'")),
        many("\\"),
        many("a.b = 'x' or "),
        format!("a.b in ({}", many("\"a")),
        many("x"),
        many("a."),
        many("["),
        format!("a.b{}", many("[")),
    ] {
        let _ = parser::parse(&text);
    }
    // As deep as allowed, on a thread's small stack.
    let nested = format!("{}a.b exists{}", "(".repeat(198), ")".repeat(198));
    assert!(parser::parse(&nested).is_ok());
    let deeper = format!("{}a.b exists{}", "(".repeat(200), ")".repeat(200));
    assert!(parser::parse(&deeper).unwrap_err().message.contains("max depth limit of 1000"));
}

fn load_one(text: &str) -> String {
    let mut loader = Loader::new(LoaderOptions::default());
    let mut fields = TestFields;
    let mut sources = [Source { name: "syscall", catalogue: &mut fields }];
    let result = loader.load("file.yaml", text.as_bytes(), &mut sources);
    result.error().map(|(_, message)| message.to_owned()).unwrap_or_default()
}

#[test]
fn hostile_files_end_soon() {
    let rule = |condition: &str| {
        format!("- rule: r\n  desc: d\n  condition: {condition}\n  output: o\n  priority: info\n")
    };
    // Macros that double, or hang in a long chain.
    let mut macros = "- macro: m0\n  condition: proc.name=a\n".to_owned();
    for i in 1..64 {
        macros += &format!("- macro: m{i}\n  condition: m{} and m{}\n", i - 1, i - 1);
    }
    assert!(load_one(&(macros + &rule("m63"))).contains("too large"));
    let mut chain = "- macro: m0\n  condition: proc.name=a\n".to_owned();
    for i in 1..5000 {
        chain += &format!("- macro: m{i}\n  condition: not m{}\n", i - 1);
    }
    assert!(load_one(&(chain + &rule("m4999"))).contains("too deep"));
    // Redefined backwards, so that the whole chain is visible at once.
    let mut chain: String =
        (0..5000).map(|i| format!("- macro: m{i}\n  condition: m{i}\n")).collect();
    for i in 0..4999 {
        chain += &format!("- macro: m{i}\n  condition: m{}\n", i + 1);
    }
    assert!(!load_one(&(chain + &rule("m0"))).is_empty());
    // Lists that multiply each other.
    let mut lists = String::new();
    for i in 0..64 {
        lists += &format!("- list: l{i}\n  items: [{}]\n", format!("l{}, ", i + 1).repeat(10));
    }
    assert!(load_one(&(lists + &rule("proc.name in (l0)"))).contains("bytes"));
    // Exceptions of shared values.
    let mut values = "- &v0 [a, b]\n".to_owned();
    for i in 1..40 {
        values += &format!("- &v{i} [*v{}, *v{}]\n", i - 1, i - 1);
    }
    assert!(load_one(&values).contains("aliases expanded"));
    assert!(load_one(&"- ".repeat(100_000)).contains("bad file"));
    assert!(load_one(&rule(&"not ".repeat(100_000))).contains("macro 'not'"));
}
