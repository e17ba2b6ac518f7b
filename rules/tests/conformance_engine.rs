//! Conformance of operators, literals, rendering, transformers and the condition compiler with
//! vectors recorded from Falco's own unit tests (`../shared/conformance`), as far as they need no
//! system call fields.
//!
//! Each test prints `conformance <file>: <passed>/<total>` and the first differences. Without the
//! vectors the tests say so and pass.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // a panic in a test is its report

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use falco_rules::catalogue::{
    Catalogue, Comparison, EventContext, EventTypes, Field, FieldError, FieldFlags, FieldId,
    FieldInfo, Scope,
};
use falco_rules::check::check;
use falco_rules::literal::Constant;
use falco_rules::operators::{Op, compare, glob, path, regex};
use falco_rules::transformers::{Transformer, Type};
use falco_rules::value::{IpNet, Print, Value, ValueType};
use falco_rules::verdicts::Verdicts;
use falco_rules::{oracle, parser, render_value};
use serde_json::Value as Json;

/// The vectors of a file; None, loudly, if they are not there.
fn vectors(file: &str) -> Option<Vec<Json>> {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance").join(file);
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("IGNORED: {} is not there, so nothing is compared with Falco", path.display());
        return None;
    };
    Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// Runs `compare` on every vector that concerns it (others give None); an error is the difference.
fn run(file: &str, what: &str, compare: impl Fn(&Json) -> Option<Result<(), String>>) {
    let Some(vectors) = vectors(file) else { return };
    let mut total = 0;
    let mut failures = Vec::new();
    for (i, vector) in vectors.iter().enumerate() {
        let Some(result) = compare(vector) else { continue };
        total += 1;
        if let Err(difference) = result {
            failures.push(format!("{file}:{}: {difference}", i + 1));
        }
    }
    println!("conformance {file}{what}: {}/{total}", total - failures.len());
    let shown = failures.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
    assert!(failures.is_empty(), "{shown}");
}

fn equal<T: PartialEq + std::fmt::Debug>(ours: T, falco: T, about: &Json) -> Result<(), String> {
    if ours == falco { Ok(()) } else { Err(format!("{ours:?} instead of {falco:?}: {about}")) }
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |b: u8| char::from(b).to_digit(16).unwrap() as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The bytes under `key`, or those in hexadecimal under `key_hex`.
fn bytes(vector: &Json, key: &str) -> Option<Vec<u8>> {
    match vector[key].as_str() {
        Some(text) => Some(text.as_bytes().to_vec()),
        None => Some(unhex(vector[format!("{key}_hex")].as_str()?)),
    }
}

const TYPES: &[ValueType] = {
    use ValueType as T;
    &[
        T::None,
        T::Int8,
        T::Int16,
        T::Int32,
        T::Int64,
        T::Uint8,
        T::Uint16,
        T::Uint32,
        T::Uint64,
        T::CharBuf,
        T::ByteBuf,
        T::Errno,
        T::SockAddr,
        T::SockTuple,
        T::Fd,
        T::Pid,
        T::FdList,
        T::FsPath,
        T::SyscallId,
        T::SigType,
        T::RelTime,
        T::AbsTime,
        T::Port,
        T::L4Proto,
        T::SockFamily,
        T::Bool,
        T::Ipv4Addr,
        T::Dyn,
        T::Flags8,
        T::Flags16,
        T::Flags32,
        T::Uid,
        T::Gid,
        T::Double,
        T::SigSet,
        T::CharBufArray,
        T::CharBufPairArray,
        T::Ipv4Net,
        T::Ipv6Addr,
        T::Ipv6Net,
        T::IpAddr,
        T::IpNet,
        T::Mode,
        T::FsRelPath,
        T::EnumFlags8,
        T::EnumFlags16,
        T::EnumFlags32,
        T::Fd32,
        T::Pid32,
    ]
};

fn type_of(vector: &Json) -> ValueType {
    // Types without a name are only told by their message.
    let quoted = vector["error"].as_str().and_then(|error| error.split('\'').nth(1)?.parse().ok());
    match vector["type_id"].as_u64().or(quoted) {
        Some(id) => TYPES[id as usize],
        None => {
            let name = vector["type"].as_str().unwrap();
            *TYPES.iter().find(|ty| ty.name() == name).unwrap()
        }
    }
}

fn is_signed(ty: ValueType) -> bool {
    use ValueType as T;
    matches!(ty, T::Int8 | T::Int16 | T::Int32 | T::Int64 | T::Errno | T::Fd | T::Pid)
}

/// A value from its bytes in Falco's memory.
fn from_raw(raw: &[u8], ty: ValueType) -> Value<'static> {
    use ValueType as T;
    let mut wide = [0; 8];
    let ip = || match <[u8; 4]>::try_from(raw) {
        Ok(v4) => Value::Ip(IpAddr::V4(Ipv4Addr::from(v4))),
        Err(_) => Value::Ip(IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(raw).unwrap()))),
    };
    match ty {
        T::CharBuf | T::FsPath | T::FsRelPath => return Value::Text(Cow::Owned(raw.to_vec())),
        T::ByteBuf => return Value::Bytes(Cow::Owned(raw.to_vec())),
        T::Ipv4Addr | T::Ipv6Addr | T::IpAddr => return ip(),
        T::Ipv4Net | T::Ipv6Net | T::IpNet => match *raw {
            [a, b, c, d, m, n, o, p] => {
                let prefix = u32::from_be_bytes([m, n, o, p]).leading_ones() as u8;
                return Value::Net(IpNet { addr: IpAddr::from([a, b, c, d]), prefix });
            }
            _ => {
                let addr: [u8; 16] = raw[..16].try_into().unwrap();
                let prefix = (raw[16] + 1) * 8 - raw[20];
                return Value::Net(IpNet { addr: IpAddr::from(addr), prefix });
            }
        },
        _ => wide[..raw.len()].copy_from_slice(raw),
    }
    let number = u64::from_le_bytes(wide);
    match ty {
        T::Bool => Value::Bool(number != 0),
        T::Double => Value::Double(f64::from_bits(number)),
        _ if is_signed(ty) => {
            let unused = 64 - 8 * ty.width();
            Value::Int((number << unused) as i64 >> unused)
        }
        _ => Value::Uint(number),
    }
}

/// The bytes of a constant in Falco's memory.
fn to_raw(constant: &Constant, ty: ValueType) -> Vec<u8> {
    match constant {
        Constant::Text(bytes) | Constant::Bytes(bytes) => bytes.to_vec(),
        Constant::Int(n) => n.to_le_bytes()[..ty.width()].to_vec(),
        Constant::Uint(n) => n.to_le_bytes()[..ty.width()].to_vec(),
        Constant::Bool(b) => u32::from(*b).to_le_bytes().to_vec(),
        Constant::Double(n) => f64::from(*n).to_le_bytes().to_vec(),
        Constant::Ip(IpAddr::V4(ip)) => ip.octets().to_vec(),
        Constant::Ip(IpAddr::V6(ip)) => ip.octets().to_vec(),
        Constant::Net(IpNet { addr: IpAddr::V4(ip), prefix }) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(*prefix)).unwrap_or(0);
            [ip.octets(), mask.to_be_bytes()].concat()
        }
        Constant::Net(IpNet { addr: IpAddr::V6(ip), prefix }) => {
            // Whole bytes but the last, and unused bits of that.
            let whole = u32::from(prefix.div_ceil(8)) - 1;
            let unused = (whole + 1) * 8 - u32::from(*prefix);
            [&ip.octets()[..], &whole.to_le_bytes(), &unused.to_le_bytes()].concat()
        }
    }
}

#[test]
fn comparisons_decide_as_falco() {
    run("compare.jsonl", "", |vector| {
        let ty = type_of(vector);
        let side = |key: &str| match &vector[key] {
            Json::Number(n) if is_signed(ty) => Value::Int(n.as_i64().unwrap()),
            Json::Number(n) => Value::Uint(n.as_u64().unwrap()),
            _ => from_raw(&bytes(vector, key).unwrap(), ty),
        };
        let (op, _) = Op::parse(vector["op"].as_str().unwrap()).unwrap();
        let ours = compare::compare(op, &side("lhs"), &side("rhs"));
        Some(equal(ours, vector["result"].as_bool().unwrap(), vector))
    });
}

#[test]
fn literals_parse_as_in_falco() {
    run("values.jsonl", "", |vector| {
        let ty = type_of(vector);
        let text = bytes(vector, "in").unwrap();
        let ours = Constant::parse(&text, ty).map(|constant| hex(&to_raw(&constant, ty)));
        let falco = match vector["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(vector["out_hex"].as_str().unwrap().to_owned()),
        };
        Some(equal(ours, falco, vector))
    });
}

#[test]
fn values_print_as_in_falco() {
    run("render.jsonl", "", |vector| {
        let ty = type_of(vector);
        let prints = [
            Print::Na,
            Print::Dec,
            Print::Hex,
            Print::PaddedDec,
            Print::Id,
            Print::Dir,
            Print::Oct,
        ];
        let print = prints[vector["print"].as_u64().unwrap() as usize];
        let value = from_raw(&unhex(vector["in_hex"].as_str().unwrap()), ty);
        let mut out = Vec::new();
        render_value::write_text(&value, ty, print, &mut out);
        Some(equal(hex(&out), hex(&bytes(vector, "out").unwrap()), vector))
    });
}

#[test]
fn transformers_transform_as_in_falco() {
    run("transformers.jsonl", "", |vector| {
        let ty = type_of(vector);
        let of = Type { ty, list: vector["is_list"].as_bool().unwrap() };
        let name = vector["transformer"].as_str().unwrap();
        let transformer = Transformer::from_name(if name == "base64" { "b64" } else { name });
        let transformer = transformer.unwrap();
        let Some(result) = transformer.result(of) else {
            let (id, name) = (ty.id(), transformer.name());
            let ours = format!("field type '{id}' is not supported by '{name}' transformer");
            return Some(equal(Some(ours.as_str()), vector["error"].as_str(), vector));
        };
        let values = vector["in"].as_array().unwrap().iter();
        let mut values = values.map(|v| from_raw(&unhex(v["hex"].as_str().unwrap()), ty));
        let value = if of.list { Value::List(values.collect()) } else { values.next().unwrap() };
        let ours = transformer.apply(value, of).map(|value| {
            let raw = |v: &Value<'_>| hex(&falco_rules::transformers::raw_bytes(v, result.ty));
            value.as_elements().iter().map(raw).collect::<Vec<_>>()
        });
        let falco = vector["ok"].as_bool().unwrap().then(|| {
            let out = vector["out"].as_array().unwrap().iter();
            out.map(|v| v["hex"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        });
        let same_type = result.ty.name() == vector["out_type"].as_str().unwrap()
            && result.list == vector["out_is_list"].as_bool().unwrap();
        Some(equal((ours, same_type), (falco, true), vector))
    });
}

#[test]
fn globs_and_paths_match_as_in_falco() {
    run("utils.jsonl", " (globs and paths)", |vector| {
        let text = |key: &str| bytes(vector, key).unwrap();
        let ours = match vector["fn"].as_str().unwrap() {
            "glob_match" => {
                let fold = vector["case_insensitive"].as_bool().unwrap_or(false);
                glob::matches(&text("pattern"), &text("string"), fold)
            }
            "path_prefix_search" => {
                let prefixes = vector["paths"].as_array().unwrap();
                let is_prefix = |prefix: &Json| {
                    path::is_prefix(prefix.as_str().unwrap().as_bytes(), &text("path"))
                };
                prefixes.iter().any(is_prefix)
            }
            _ => return None,
        };
        Some(equal(ours, vector["out"].as_bool().unwrap(), vector))
    });
}

#[test]
fn broken_text_is_replaced_as_in_falco() {
    run("utils.jsonl", " (broken UTF-8)", |vector| {
        if vector["fn"] != "utf8_sanitize" {
            return None;
        }
        let text = bytes(vector, "in").unwrap();
        Some(equal(&*regex::sanitized(&text), vector["out"].as_str().unwrap(), vector))
    });
}

/// The fields of Falco's unit-test mock, and the few real ones that are used beside them.
struct Mock {
    fields: Vec<FieldInfo>,
}

impl Mock {
    fn new() -> Self {
        let field = |(name, ty)| FieldInfo {
            name,
            ty,
            print: Print::Na,
            flags: FieldFlags::empty(),
            class: "mock",
            desc: "",
        };
        let fields = [
            ("c.true", ValueType::CharBuf),
            ("c.false", ValueType::CharBuf),
            ("c.buffer", ValueType::ByteBuf),
            ("c.doublequote", ValueType::CharBuf),
            ("c.singlequote", ValueType::CharBuf),
            ("evt.source", ValueType::CharBuf),
            ("evt.plugininfo", ValueType::CharBuf),
        ];
        Mock { fields: fields.map(field).to_vec() }
    }
}

impl Catalogue for Mock {
    fn fields(&self) -> &[FieldInfo] {
        &self.fields
    }

    fn resolve(&mut self, name: &str, arg: Option<&str>) -> Result<Field, FieldError> {
        if arg.is_some() {
            return Err(FieldError::Unknown);
        }
        let at = self.fields.iter().position(|f| f.name == name).ok_or(FieldError::Unknown)?;
        Ok(Field {
            id: FieldId(at as u32),
            info: self.fields[at],
            comparison: Comparison::Plain,
            scope: Scope::Event,
        })
    }

    fn field_prefix(&self, text: &str) -> Option<usize> {
        self.fields.iter().filter(|f| text.starts_with(f.name)).map(|f| f.name.len()).max()
    }

    fn event_types(&self, _name: &str) -> Option<EventTypes> {
        None
    }

    fn all_event_types(&self) -> EventTypes {
        EventTypes::from_iter([1])
    }

    fn neutral_event_types(&self) -> EventTypes {
        EventTypes::empty()
    }
}

/// The one event on which the mock's fields have values.
struct MockEvent;

impl EventContext for MockEvent {
    fn event_type(&self) -> u16 {
        1
    }

    fn value(&self, field: FieldId) -> Option<Value<'_>> {
        let texts: [&[u8]; 5] = [b"1", b"0", b"", b"hello \"quoted\"", b"hello 'quoted'"];
        texts.get(field.0 as usize).map(|text| Value::text(text))
    }

    fn candidates(&self, _: FieldId, _: &mut dyn FnMut(&Value<'_>) -> bool) -> bool {
        false
    }

    fn verdicts(&self, _scope: Scope) -> Option<(&Verdicts, u32)> {
        None
    }
}

fn is_mock(vector: &Json) -> bool {
    vector["factory"] == "mock_compiler_filter_factory"
}

#[test]
fn mock_filters_evaluate_as_in_falco() {
    run("mock_filters.jsonl", "", |vector| {
        let node = parser::parse(vector["filter"].as_str().unwrap()).unwrap();
        let checked = check(&node, &mut Mock::new()).unwrap();
        let ours = oracle::evaluate(&checked.expr, &MockEvent);
        Some(equal(ours, vector["result"].as_bool().unwrap(), vector))
    });
}

#[test]
fn mock_filters_compile_as_in_falco() {
    run("compile.jsonl", " (mock)", |vector| {
        if !is_mock(vector) {
            return None;
        }
        let filter = vector["filter"].as_str().unwrap();
        let pos = |p: falco_rules::ast::Pos| [p.index as u64, p.line as u64, p.column as u64];
        let compiled = match parser::parse(filter) {
            Err(e) => Err((e.to_string(), None)),
            Ok(node) => check(&node, &mut Mock::new()).map_err(|e| (e.message, Some(pos(e.pos)))),
        };
        let at = |json: &Json| json.as_array().map(|p| [0, 1, 2].map(|i| p[i].as_u64().unwrap()));
        Some(match compiled {
            Err((message, pos)) => {
                let falco = vector["error"].as_str().map(str::to_owned);
                let falco_pos = pos.and_then(|_| at(&vector["pos"]));
                equal((Some(message), pos), (falco, falco_pos), vector)
            }
            Ok(checked) => {
                let ours: Vec<_> =
                    checked.warnings.into_iter().map(|w| (w.message, Some(pos(w.pos)))).collect();
                let falco = vector["warnings"].as_array().into_iter().flatten();
                let falco = falco.map(|w| (w["msg"].as_str().unwrap().to_owned(), at(&w["pos"])));
                equal((true, ours), (vector["compiles"] == true, falco.collect()), vector)
            }
        })
    });
}
