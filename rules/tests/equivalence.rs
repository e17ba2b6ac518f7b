//! The compiled ruleset against the plain evaluator: over generated conditions of all types, scopes
//! and comparisons, and generated histories of events, process changes and changes of ancestors.
#![allow(clippy::unwrap_used)] // a panic in a test is its report

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use falco_rules::ast::{Node, NodeKind, Pos, Text};
use falco_rules::catalogue::{
    Catalogue, Comparison, EventContext, EventTypes, Field, FieldError, FieldFlags, FieldId,
    FieldInfo, Scope,
};
use falco_rules::check::{Checked, check};
use falco_rules::oracle;
use falco_rules::ruleset::{Matching, RulesetBuilder};
use falco_rules::value::{Print, Value, ValueType};
use falco_rules::verdicts::Verdicts;
use proptest::prelude::*;
use proptest::sample::select;

const OPEN: u16 = 10;
const OPENAT: u16 = 11;
const CLOSE: u16 = 20;
/// Events of this type have the name of a system call.
const GENERIC: u16 = 30;
/// Reaches every rule.
const ASYNC: u16 = 40;
const CODES: [u16; 5] = [OPEN, OPENAT, CLOSE, GENERIC, ASYNC];
const TYPE_NAMES: [&str; 5] = ["open", "close", "uname", "getpid", "container"];

type Row = (&'static str, ValueType, Comparison, Scope);

/// The fields: one of every kind.
const FIELDS: [Row; 23] = {
    use Comparison as C;
    use Scope as S;
    use ValueType as T;
    [
        ("evt.type", T::CharBuf, C::EventType, S::Event),
        ("syscall.type", T::CharBuf, C::EventType, S::Event),
        ("evt.num", T::Uint64, C::Plain, S::Event),
        ("evt.flag", T::Bool, C::Plain, S::Event),
        ("fd.name", T::CharBuf, C::Plain, S::Event),
        ("fd.types", T::CharBuf, C::Plain, S::Event),
        ("fd.port", T::Port, C::EitherEnd, S::Event),
        ("fd.ip", T::IpAddr, C::EitherEnd, S::Event),
        ("fd.net", T::IpNet, C::EitherEnd, S::Event),
        ("fd.snet", T::IpNet, C::FirstOnly, S::Event),
        ("fd.sip", T::IpAddr, C::Plain, S::Event),
        ("evt.buffer", T::ByteBuf, C::Plain, S::Event),
        ("evt.raw", T::Int64, C::FirstOnly, S::Event),
        ("fd.host", T::CharBuf, C::HostName, S::Event),
        ("evt.around", T::Uint64, C::Within, S::Event),
        ("evt.load", T::Double, C::Plain, S::Event),
        ("proc.name", T::CharBuf, C::Plain, S::Process),
        ("proc.path", T::FsPath, C::Plain, S::Process),
        ("proc.pid", T::Int64, C::Plain, S::Process),
        ("proc.upper", T::Bool, C::Plain, S::Process),
        ("proc.aname", T::CharBuf, C::AnyCandidate, S::Lineage),
        ("proc.pname", T::CharBuf, C::Plain, S::Lineage),
        ("proc.apid", T::Int64, C::AnyCandidate, S::Lineage),
    ]
};
const LIST_FIELD: &str = "fd.types";

struct Fields(Vec<FieldInfo>);

impl Fields {
    fn new() -> Self {
        let info = |(name, ty, _, _): Row| FieldInfo {
            name,
            ty,
            print: Print::Dec,
            flags: if name == LIST_FIELD { FieldFlags::LIST } else { FieldFlags::empty() },
            class: "test",
            desc: "",
        };
        Fields(FIELDS.map(info).to_vec())
    }
}

impl Catalogue for Fields {
    fn fields(&self) -> &[FieldInfo] {
        &self.0
    }

    fn resolve(&mut self, name: &str, _arg: Option<&str>) -> Result<Field, FieldError> {
        let at = FIELDS.iter().position(|row| row.0 == name).ok_or(FieldError::Unknown)?;
        let (_, _, comparison, scope) = FIELDS[at];
        Ok(Field { id: FieldId(at as u32), info: self.0[at], comparison, scope })
    }

    fn field_prefix(&self, _text: &str) -> Option<usize> {
        None
    }

    fn event_types(&self, name: &str) -> Option<EventTypes> {
        let codes: &[u16] = match name {
            "open" => &[OPEN, OPENAT],
            "close" => &[CLOSE],
            "uname" | "getpid" => &[GENERIC],
            "container" => &[ASYNC],
            _ => return None,
        };
        Some(codes.iter().copied().collect())
    }

    fn event_name(&self, code: u16) -> Option<&str> {
        match code {
            OPEN | OPENAT => Some("open"),
            CLOSE => Some("close"),
            _ => None,
        }
    }

    fn all_event_types(&self) -> EventTypes {
        EventTypes::from_iter(CODES)
    }

    fn neutral_event_types(&self) -> EventTypes {
        EventTypes::from_iter([ASYNC])
    }
}

/// Values by field; none is no value. Candidates are the elements of a list.
type Values = Vec<Option<Value<'static>>>;

/// A process: its own values, those of its ancestors, what is remembered of them.
struct Process {
    values: Values,
    verdicts: [Verdicts; 2],
}

struct Event<'w> {
    code: u16,
    values: &'w Values,
    /// Text is handed out as if it had been made for this call.
    owned: bool,
    process: &'w Process,
    /// The generations of the process and of its lineage; none if it is not known.
    generations: Option<[u32; 2]>,
}

impl Event<'_> {
    fn stored(&self, field: FieldId) -> Option<&Value<'static>> {
        let at = field.0 as usize;
        let values = if FIELDS[at].3 == Scope::Event { self.values } else { &self.process.values };
        values[at].as_ref()
    }
}

impl EventContext for Event<'_> {
    fn event_type(&self) -> u16 {
        self.code
    }

    fn value(&self, field: FieldId) -> Option<Value<'_>> {
        match FIELDS[field.0 as usize].0 {
            "syscall.type" if self.code == ASYNC => None,
            "evt.type" | "syscall.type" => Some(match self.code {
                OPEN | OPENAT => Value::text(b"open"),
                CLOSE => Value::text(b"close"),
                GENERIC => self.stored(FieldId(0)).cloned().unwrap_or(Value::text(b"mmap")),
                _ => Value::text(b"container"),
            }),
            "fd.host" => {
                let candidates = self.stored(field)?.as_elements();
                candidates.iter().find(|value| matches!(value, Value::Text(_))).cloned()
            }
            _ => match self.stored(field)? {
                Value::Text(text) if self.owned => Some(Value::owned_text(text.to_vec())),
                Value::Text(text) => Some(Value::text(text)),
                value => Some(value.clone()),
            },
        }
    }

    fn candidates(&self, field: FieldId, test: &mut dyn FnMut(&Value<'_>) -> bool) -> bool {
        self.stored(field).is_some_and(|value| value.as_elements().iter().any(test))
    }

    fn verdicts(&self, scope: Scope) -> Option<(&Verdicts, u32)> {
        let at = match scope {
            Scope::Process => 0,
            Scope::Lineage => 1,
            Scope::Event => return None,
        };
        self.generations.map(|generations| (&self.process.verdicts[at], generations[at]))
    }
}

fn texts() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        select(vec!["", "a", "b", "ab", "/a", "/a/b", "/a/b/c", "/b", "cat", "bash"])
            .prop_map(|text| text.as_bytes().to_vec()),
        "[ab/]{0,5}".prop_map(String::into_bytes),
    ]
}

const ADDRESSES: [&str; 4] = ["10.0.0.1", "10.1.0.1", "192.168.0.1", "::1"];

/// A value of a field, or none.
fn value(row: Row) -> BoxedStrategy<Option<Value<'static>>> {
    let (name, ty, comparison, _) = row;
    let address = select(&ADDRESSES[..]).prop_map(|a| Value::Ip(a.parse::<IpAddr>().unwrap()));
    let text = texts().prop_map(|text| Value::Text(Cow::Owned(text))).boxed();
    let one = match ty {
        _ if name == "evt.type" => {
            select(vec!["uname", "getpid"]).prop_map(|n| Value::text(n.as_bytes())).boxed()
        }
        ValueType::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        ValueType::Uint64 | ValueType::Port => {
            select(vec![0u64, 1, 2, 80, 443, 3_000_000]).prop_map(Value::Uint).boxed()
        }
        ValueType::Int64 => (-2i64..4).prop_map(Value::Int).boxed(),
        ValueType::Double => (-1i32..3).prop_map(|n| Value::Double(f64::from(n))).boxed(),
        ValueType::IpAddr | ValueType::IpNet => address.boxed(),
        ValueType::ByteBuf => prop::collection::vec(select(vec![0u8, 1, b'a']), 0..4)
            .prop_map(|bytes| Value::Bytes(Cow::Owned(bytes)))
            .boxed(),
        _ => text,
    };
    if comparison == Comparison::HostName {
        let address = select(&ADDRESSES[..]).prop_map(|a| Value::Ip(a.parse().unwrap()));
        let names = prop::collection::vec(one, 0..3);
        let host = (address, names).prop_map(|(address, mut names)| {
            names.insert(0, address);
            Value::List(names)
        });
        return prop::option::weighted(0.85, host).boxed();
    }
    let several = name == LIST_FIELD
        || matches!(comparison, Comparison::AnyCandidate | Comparison::EitherEnd);
    if several {
        let max = if comparison == Comparison::EitherEnd { 3 } else { 4 };
        let list = prop::collection::vec(one, 0..max).prop_map(Value::List);
        return prop::option::weighted(0.9, list).boxed();
    }
    prop::option::weighted(0.85, one).boxed()
}

fn values() -> impl Strategy<Value = Values> {
    FIELDS.map(value).to_vec()
}

fn constant(row: Row) -> BoxedStrategy<Text> {
    let (name, ty, ..) = row;
    let of = |texts: &[&'static str]| {
        select(texts.to_vec()).prop_map(|text| Text(text.as_bytes().to_vec())).boxed()
    };
    match ty {
        _ if name.ends_with(".type") => of(&TYPE_NAMES),
        ValueType::Bool => of(&["true", "false"]),
        ValueType::Uint64 => of(&["0", "1", "2", "3"]),
        ValueType::Port => of(&["0", "80", "https"]),
        ValueType::Int64 => of(&["-1", "0", "1", "2"]),
        ValueType::Double => of(&["0", "1"]),
        ValueType::IpAddr => of(&ADDRESSES),
        _ if row.2 == Comparison::HostName => {
            prop_oneof![texts().prop_map(Text), of(&ADDRESSES)].boxed()
        }
        ValueType::IpNet => of(&["10.0.0.0/8", "10.0.0.0/16", "0.0.0.0/0", "::/8"]),
        _ => texts().prop_map(Text).boxed(),
    }
}

/// A right side of `n` constants: one for an operator that takes one, a list for one that takes any.
fn right(row: Row, op: &'static str) -> BoxedStrategy<NodeKind> {
    match op {
        "bcontains" | "bstartswith" => select(vec!["", "00", "0161", "61"])
            .prop_map(|hex| NodeKind::Value(Text(hex.as_bytes().to_vec())))
            .boxed(),
        "regex" => select(vec!["a.*", "(/a)+", "b?", ".*cat.*"])
            .prop_map(|p| NodeKind::Value(Text(p.as_bytes().to_vec())))
            .boxed(),
        "glob" | "iglob" => select(vec!["*", "a*", "/?/*", "[ab]", "C*t"])
            .prop_map(|p| NodeKind::Value(Text(p.as_bytes().to_vec())))
            .boxed(),
        "in" | "intersects" | "pmatch" => prop::collection::vec(constant(row), 0..6)
            .prop_map(|texts| NodeKind::List(texts.into()))
            .boxed(),
        _ if op.contains(' ') => prop::collection::vec(constant(row), 0..4)
            .prop_map(|texts| NodeKind::List(texts.into()))
            .boxed(),
        _ => constant(row).prop_map(NodeKind::Value).boxed(),
    }
}

fn operators(row: Row) -> Vec<&'static str> {
    let (name, ty, comparison, _) = row;
    let equality = ["exists", "=", "!=", "in", "intersects"];
    let modified = ["= oneof", "= anyof", "= allof", "!= oneof", "!= anyof", "!= allof"];
    if comparison == Comparison::Within {
        return vec!["="];
    }
    if name == LIST_FIELD {
        return vec!["exists", "in", "intersects"];
    }
    let mut operators = [&equality[..], &modified[..]].concat();
    operators.extend(match ty {
        ValueType::Bool | ValueType::IpAddr | ValueType::IpNet => &[][..],
        ValueType::ByteBuf => &["contains", "startswith", "endswith", "bcontains", "bstartswith"],
        _ if ty.is_text() => &[
            "<",
            ">=",
            "contains",
            "icontains",
            "startswith",
            "endswith",
            "glob",
            "iglob",
            "regex",
            "pmatch",
            "startswith anyof",
            "contains anyof",
            "endswith oneof",
            "contains allof",
        ],
        _ => &["<", "<=", ">", ">="],
    });
    if name.ends_with(".type") {
        // Constants must be names of event types.
        operators.retain(|op| !matches!(*op, "glob" | "iglob" | "regex"));
    }
    operators
}

fn at(kind: NodeKind) -> Node {
    Node { pos: Pos { index: 0, line: 1, column: 1 }, kind }
}

fn field(name: &str) -> Node {
    at(NodeKind::Field { name: name.to_owned(), arg: None })
}

fn call(name: &str, args: Vec<Node>) -> Node {
    at(NodeKind::Transformer { name: name.to_owned(), args: args.into(), arg: None })
}

/// A comparison of a field with constants.
fn comparison(row: Row) -> BoxedStrategy<Node> {
    select(operators(row))
        .prop_flat_map(move |op| {
            right(row, op).prop_map(move |right| {
                let left = Arc::new(field(row.0));
                let op = op.to_owned();
                at(match op.as_str() {
                    "exists" => NodeKind::Unary { left, op },
                    _ => NodeKind::Binary { left, op, right: Arc::new(at(right)) },
                })
            })
        })
        .boxed()
}

/// A comparison with transformers, or of two fields.
fn transformed() -> BoxedStrategy<Node> {
    let text_field = select(vec!["proc.name", "fd.name", "proc.pname", "proc.path"]);
    let transform = select(vec!["tolower", "toupper", "basename"]);
    let operator = select(vec!["=", "!=", "startswith", "in", "contains"]);
    (text_field, transform, operator, texts(), 0..5)
        .prop_map(|(name, transform, op, text, form)| {
            let binary = |left: Node, op: &str, right: NodeKind| {
                let (left, right) = (Arc::new(left), Arc::new(at(right)));
                at(NodeKind::Binary { left, op: op.to_owned(), right })
            };
            let constant = |text: &[u8]| Text(text.to_vec());
            let list = || NodeKind::List([constant(&text), constant(b"a")].into());
            match form {
                0 if op == "in" => binary(call(transform, vec![field(name)]), op, list()),
                0 => {
                    binary(call(transform, vec![field(name)]), op, NodeKind::Value(constant(&text)))
                }
                1 => binary(call("len", vec![field(name)]), "<=", NodeKind::Value(constant(b"2"))),
                2 => binary(field("proc.name"), op, call("val", vec![field("fd.name")]).kind),
                3 => {
                    let separator = at(NodeKind::Value(constant(b"/")));
                    let parts = [field(name), field("evt.num")];
                    let parts = at(NodeKind::TransformerList(parts.into()));
                    binary(call("join", vec![separator, parts]), op, list_or(op, &text))
                }
                _ => binary(
                    call("concat", vec![field("fd.name"), field("proc.name")]),
                    op,
                    list_or(op, &text),
                ),
            }
        })
        .boxed()
}

fn list_or(op: &str, text: &[u8]) -> NodeKind {
    match op {
        "in" => NodeKind::List([Text(text.to_vec())].into()),
        _ => NodeKind::Value(Text(text.to_vec())),
    }
}

fn leaf() -> BoxedStrategy<Node> {
    // Comparisons of one field are frequent, so that they merge; those of the event's type, so that
    // conditions fall apart by it.
    let row = prop_oneof![
        4 => select(FIELDS.to_vec()),
        1 => Just(FIELDS[0]),
        2 => select(vec![FIELDS[4], FIELDS[16], FIELDS[20]]),
    ];
    prop_oneof![8 => row.prop_flat_map(comparison), 1 => transformed()].boxed()
}

fn condition() -> impl Strategy<Value = Node> {
    leaf().prop_recursive(5, 24, 5, |inner| {
        let children = || prop::collection::vec(inner.clone(), 1..5);
        prop_oneof![
            children().prop_map(|c| at(NodeKind::And(c.into()))),
            children().prop_map(|c| at(NodeKind::Or(c.into()))),
            inner.clone().prop_map(|c| at(NodeKind::Not(c.into()))),
        ]
    })
}

/// Something that happens.
#[derive(Clone, Debug)]
enum Happening {
    /// An event of a process (the last one is not known).
    Event { process: usize, code: u16, owned: bool, values: Values },
    /// A process becomes another.
    Exec { process: usize, values: Values },
    /// Ancestors change; the process's own values do not.
    Reparent { process: usize, values: Values },
}

fn happening() -> impl Strategy<Value = Happening> {
    let process = 0..3usize;
    prop_oneof![
        6 => (process.clone(), select(&CODES[..]), any::<bool>(), values())
            .prop_map(|(process, code, owned, values)| {
                Happening::Event { process, code, owned, values }
            }),
        1 => (process.clone(), values()).prop_map(|(process, values)| Happening::Exec { process, values }),
        1 => (process, values())
            .prop_map(|(process, values)| Happening::Reparent { process, values }),
    ]
}

fn compile(conditions: &[Node]) -> Vec<Checked> {
    let mut fields = Fields::new();
    conditions.iter().map(|node| check(node, &mut fields).unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, max_shrink_iters: 20_000, ..Default::default() })]

    #[test]
    fn rulesets_match_what_the_plain_evaluator_does(
        conditions in prop::collection::vec(condition(), 1..24),
        initial in prop::collection::vec(values(), 3),
        history in prop::collection::vec(happening(), 1..24),
    ) {
        let checked = compile(&conditions);
        let mut builder = RulesetBuilder::new();
        for (number, condition) in checked.iter().enumerate() {
            prop_assert_eq!(builder.add(condition), number);
        }
        let ruleset = builder.build();
        let mut scratch = ruleset.scratch();
        let mut processes: Vec<Process> = initial
            .into_iter()
            .map(|values| Process { values, verdicts: Default::default() })
            .collect();
        let mut generations = [[1, 1]; 3];
        for happening in history {
            match happening {
                Happening::Exec { process, values } => {
                    processes[process].values = values;
                    generations[process] = generations[process].map(|g| g + 1);
                }
                Happening::Reparent { process, values } => {
                    for (at, value) in values.into_iter().enumerate() {
                        if FIELDS[at].3 == Scope::Lineage {
                            processes[process].values[at] = value;
                        }
                    }
                    generations[process][1] += 1;
                }
                Happening::Event { process, code, owned, values } => {
                    let event = Event {
                        code,
                        values: &values,
                        owned,
                        process: &processes[process],
                        generations: (process < 2).then_some(generations[process]),
                    };
                    let mut expected = Vec::new();
                    for (number, rule) in checked.iter().enumerate() {
                        let reached = rule.event_types.contains(code)
                            || rule.neutral_event_types.contains(code);
                        if reached && oracle::evaluate(&rule.expr, &event) {
                            expected.push(number);
                        }
                    }
                    let mut all = Vec::new();
                    ruleset.evaluate(&event, Matching::All, &mut scratch, |rule| all.push(rule));
                    prop_assert_eq!(&all, &expected);
                    let mut first = Vec::new();
                    ruleset.evaluate(&event, Matching::First, &mut scratch, |rule| first.push(rule));
                    prop_assert_eq!(first.as_slice(), &expected[..expected.len().min(1)]);
                    prop_assert!(expected.is_empty() || ruleset.event_types().contains(code));
                }
            }
        }
    }
}

#[test]
fn types_that_no_rule_names_have_no_rules() {
    let node = |text: &str| falco_rules::parser::parse(text).unwrap();
    let checked = compile(&[
        node("evt.type = open and proc.name = cat"),
        node("evt.type in (open, close) and evt.type != close"),
    ]);
    let mut builder = RulesetBuilder::new();
    checked.iter().for_each(|condition| {
        builder.add(condition);
    });
    let ruleset = builder.build();
    assert_eq!(ruleset.event_types().iter().collect::<Vec<_>>(), [OPEN, OPENAT]);
}

#[test]
fn filters_are_tried_on_every_type() {
    // Falco's analysis takes the constants for names of event types, so no rule of this kind runs.
    let node = falco_rules::parser::parse("not concat(\"a\", \"b\") = x").unwrap();
    let checked = compile(&[node]);
    assert!(checked[0].event_types.is_empty());
    let mut builder = RulesetBuilder::new();
    builder.add(&checked[0]);
    builder.add_filter(&checked[0]);
    let ruleset = builder.build();
    let mut matches = Vec::new();
    let values = vec![None; FIELDS.len()];
    let process = Process { values: values.clone(), verdicts: Default::default() };
    let event =
        Event { code: OPEN, values: &values, owned: false, process: &process, generations: None };
    ruleset.evaluate(&event, Matching::All, &mut ruleset.scratch(), |rule| matches.push(rule));
    assert_eq!(matches, [1]);
}

/// Of whole names, however deep they stand, not of parts.
#[test]
fn rulesets_tell_the_hosts_that_conditions_name() {
    let node = |text: &str| falco_rules::parser::parse(text).unwrap();
    let conditions = compile(&[
        node("evt.type = open and (fd.host = b.org or not fd.host in (c.org, a.org))"),
        node("fd.host != anyof (b.org, d.org) and fd.name = e.org"),
        node("fd.host startswith f or fd.host glob g* or fd.host regex 'h' or fd.host exists"),
    ]);
    let mut builder = RulesetBuilder::new();
    builder.add(&conditions[0]);
    builder.add(&conditions[2]);
    builder.add_filter(&conditions[1]);
    let names: Vec<&[u8]> = vec![b"a.org", b"b.org", b"c.org", b"d.org"];
    assert_eq!(builder.build().host_names().iter().map(|n| &**n).collect::<Vec<_>>(), names);
    assert!(RulesetBuilder::new().build().host_names().is_empty());
}
