//! [`check`]: from a macro-free syntax tree to a typed expression.
//!
//! Fields are resolved through the [`Catalogue`], operators are matched with types, literals become
//! typed values, globs and regular expressions are compiled. What comes out cannot fail any more:
//! evaluation is total. Messages are those of libsinsp's `sinsp_filter_compiler`, since users know
//! them and rule tests compare them.

pub(crate) mod names;
mod operand;
mod suspicion;

use std::sync::Arc;

use thiserror::Error;

use crate::ast::{Node, NodeKind, Pos, Text};
use crate::catalogue::{Catalogue, Comparison, EventTypes, FieldFlags};
use crate::event_types::event_types;
use crate::expr::{Expr, Predicate, Right};
use crate::literal::Constant;
use crate::operand::Operand;
use crate::operators::Op;
use crate::operators::regex::Regex;
use crate::value::ValueType;
pub(crate) use operand::{Side, resolve_side};

/// Why a condition does not compile.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct CheckError {
    /// The check (comparison, identifier) that is wrong.
    pub pos: Pos,
    /// Falco's message.
    pub message: String,
}

/// What kind of suspicion a warning voices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckWarningKind {
    /// A regular expression that a plain operator could replace.
    SimpleRegex,
    /// A constant that reads like a field.
    FieldAsValue,
    /// A constant that reads like a transformer.
    TransformerAsValue,
}

/// Something suspicious in a valid condition (`LOAD_COMPILE_CONDITION`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckWarning {
    /// The constant (or list) on the right side.
    pub pos: Pos,
    /// What kind.
    pub kind: CheckWarningKind,
    /// Falco's message.
    pub message: String,
}

/// A field that the condition uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldUse {
    /// Where.
    pub pos: Pos,
    /// Dotted name as written.
    pub name: String,
    /// Bracketed argument.
    pub arg: Option<String>,
    /// Its flags ([`FieldFlags::DEPRECATED`] deserves a warning).
    pub flags: FieldFlags,
}

/// A condition that compiled.
#[derive(Clone, Debug)]
pub struct Checked {
    /// What to evaluate.
    pub expr: Expr,
    /// The event types on which it can hold, as Falco's analysis finds them; without the source's
    /// neutral types, which reach every rule in addition. All types if the analysis fails.
    pub event_types: EventTypes,
    /// Why that analysis fails, which makes the condition unfit for a rule though not for a filter.
    pub event_types_error: Option<String>,
    /// The types that reach the rule although they are not among [`Self::event_types`]
    /// ([`Catalogue::neutral_event_types`]).
    pub neutral_event_types: EventTypes,
    /// What is known of the names that the condition compares the event's type with.
    pub(crate) names: Arc<names::EventNames>,
    /// Suspicions, in the order in which they were found.
    pub warnings: Vec<CheckWarning>,
    /// The fields used, in reading order, duplicates included.
    pub fields: Vec<FieldUse>,
}

/// Checks and lowers a condition. Macros must have been replaced: an identifier is an error.
///
/// # Errors
/// If a field does not exist, an operator does not suit its type, a literal does not parse, …
pub fn check(node: &Node, catalogue: &mut dyn Catalogue) -> Result<Checked, CheckError> {
    let mut checker = Checker {
        catalogue,
        pos: node.pos,
        warnings: Vec::new(),
        fields: Vec::new(),
        names: names::EventNames::default(),
    };
    let expr = checker.expr(node).map_err(|message| CheckError { pos: checker.pos, message })?;
    let Checker { catalogue, warnings, fields, mut names, .. } = checker;
    let (event_types, event_types_error) = match event_types(node, catalogue) {
        Ok(types) => (types, None),
        Err(error) => (catalogue.all_event_types(), Some(error)),
    };
    let neutral_event_types = catalogue.neutral_event_types();
    names.learn_fixed(catalogue);
    Ok(Checked {
        expr,
        event_types,
        event_types_error,
        neutral_event_types,
        names: Arc::new(names),
        warnings,
        fields,
    })
}

/// Falco's message; the position is [`Checker::pos`].
type Message = String;

struct Checker<'c> {
    catalogue: &'c mut dyn Catalogue,
    /// The boolean node or comparison that is being checked.
    pos: Pos,
    warnings: Vec<CheckWarning>,
    fields: Vec<FieldUse>,
    names: names::EventNames,
}

impl Checker<'_> {
    fn expr(&mut self, node: &Node) -> Result<Expr, Message> {
        self.pos = node.pos;
        let all = |checker: &mut Self, nodes: &[Node]| -> Result<Vec<Expr>, Message> {
            nodes.iter().map(|node| checker.expr(node)).collect()
        };
        Ok(match &node.kind {
            NodeKind::And(children) => Expr::And(all(self, children)?),
            NodeKind::Or(children) => Expr::Or(all(self, children)?),
            NodeKind::Not(child) => Expr::Not(Box::new(self.expr(child)?)),
            NodeKind::Unary { left, op } => {
                let left = self.left(left, "unary")?;
                let (op, modifier) = Op::parse(op)?;
                Expr::Test(Arc::new(Predicate { left, op, modifier, right: Right::Nothing }))
            }
            NodeKind::Binary { left, op, right } => {
                Expr::Test(Arc::new(self.comparison(left, op, right)?))
            }
            NodeKind::Identifier(name) => {
                return Err(format!("filter error: unexpected identifier '{name}'"));
            }
            _ => return Err("filter error: a value is no condition".into()),
        })
    }

    /// What stands left of an operator.
    fn left(&mut self, node: &Node, kind: &str) -> Result<Operand, Message> {
        match self.side(node)? {
            Side::Operand(operand) => Ok(operand),
            Side::Constants(_) => {
                Err(format!("filter error: missing field in left-hand of {kind} check"))
            }
        }
    }

    fn side(&mut self, node: &Node) -> Result<Side, Message> {
        resolve_side(node, self.catalogue, &mut self.fields)
    }

    fn comparison(&mut self, left: &Node, op: &str, right: &Node) -> Result<Predicate, Message> {
        let left = self.left(left, "binary")?;
        let (op, modifier) = Op::parse(op)?;
        let ty = left.result();
        op.suits(modifier.is_some(), ty.ty, ty.list).map_err(|e| format!("filter error: {e}"))?;
        let right_pos = right.pos;
        let right = match self.side(right)? {
            Side::Constants(texts) => self.constants(&left, op, ty.ty, &texts, right_pos)?,
            Side::Operand(right) => {
                check_operands(&left, op, &right)?;
                Right::Operand(right)
            }
        };
        Ok(Predicate { left, op, modifier, right })
    }

    /// The constants right of an operator, converted to the type on the left.
    fn constants(
        &mut self,
        left: &Operand,
        op: Op,
        ty: ValueType,
        texts: &[Text],
        pos: Pos,
    ) -> Result<Right, Message> {
        let mut constants = Vec::with_capacity(texts.len());
        let mut patterns = Vec::new();
        for Text(text) in texts {
            suspicion::look(text, op, pos, self.catalogue, &mut self.warnings);
            let constant = match op {
                Op::Bcontains | Op::BstartsWith => Constant::parse_hex(text)?,
                _ => Constant::parse(text, ty)?,
            };
            self.validate(left, op, text)?;
            match op {
                Op::Regex => patterns
                    .push(Regex::new(text).map_err(|e| format!("invalid regex pattern: {e}"))?),
                _ => constants.push(constant),
            }
        }
        Ok(if op == Op::Regex { Right::Regexes(patterns) } else { Right::Constants(constants) })
    }

    /// Restrictions of single fields on their constants.
    fn validate(&mut self, left: &Operand, op: Op, text: &[u8]) -> Result<(), Message> {
        let Some(field) = left.field() else { return Ok(()) };
        match field.comparison {
            Comparison::EventType => {
                let name = String::from_utf8_lossy(text);
                match self.catalogue.event_types(&name) {
                    Some(types) => self.names.learn(text, types),
                    // Names of system calls without an event of their own may well be compared.
                    None if field.info.name == "syscall.type" => {}
                    None => return Err(format!("unknown event type {name}")),
                }
            }
            Comparison::Within if op != Op::Eq => {
                return Err(format!("{} supports only '=' comparison operator", field.info.name));
            }
            _ => {}
        }
        Ok(())
    }
}

/// Whether two operands can be compared with each other.
fn check_operands(left: &Operand, op: Op, right: &Operand) -> Result<(), Message> {
    if matches!(op, Op::Pmatch | Op::Regex) {
        let op = op.name().to_ascii_uppercase();
        return Err(format!("operator '{op}' doesn't support right-hand side fields"));
    }
    let (a, b) = (left.result(), right.result());
    if matches!(a.ty, ValueType::IpNet | ValueType::Ipv4Net | ValueType::Ipv6Net) {
        return Err("field type 'IPNET' doesn't support right-hand side fields".into());
    }
    let (left_name, right_name) = (left.result_name(), right.result_name());
    if left.flags().contains(FieldFlags::NO_RHS) {
        return Err(format!("field '{left_name}' doesn't support right-hand side fields"));
    }
    if right.flags().contains(FieldFlags::NO_RHS) {
        return Err(format!("field '{right_name}' can't be used as a right-hand side field"));
    }
    if a != b {
        let list = |list: bool| if list { " (list)" } else { "" };
        return Err(format!(
            "field '{left_name}' has type '{}'{} while the right-hand side field '{right_name}' has \
             incompatible type '{}'{}",
            a.ty.name(),
            list(a.list),
            b.ty.name(),
            list(b.list),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fields, compile};

    fn error(condition: &str) -> String {
        compile(condition, &mut Fields::default()).map(|_| ()).unwrap_err().message
    }

    #[test]
    fn wrong_conditions_have_falcos_messages() {
        for (condition, message) in [
            ("no.field = 1", "filter_check called with nonexistent field no.field"),
            ("evt.num[1] = 1", "filter_check called with nonexistent field evt.num[1]"),
            ("evt.arg = x", "filter syntax error: evt.arg"),
            ("some_macro", "filter error: unexpected identifier 'some_macro'"),
            (
                "evt.num contains 1",
                "filter error: 'contains' operator not supported for numeric filters",
            ),
            ("fd.types = file", "filter error: '=' operator not supported list filters"),
            ("evt.num = x", "x is not a valid number"),
            ("evt.is_io = 1", "filter error: unrecognized boolean value 1"),
            ("evt.type = nosuch", "unknown event type nosuch"),
            ("evt.type startswith op", "unknown event type op"),
            ("evt.around != 1", "evt.around supports only '=' comparison operator"),
            ("proc.name regex '('", "invalid regex pattern: missing ): ("),
            (
                "evt.buffer bcontains 1",
                "filter error: bcontains and bstartswith operator support hex strings only",
            ),
            ("tolower(evt.rawarg) = 1", "field 'evt.rawarg' does not support transformers"),
            (
                "toupper(evt.num) = 1",
                "can't add field transformer: type 'UINT64' is not supported by 'toupper' \
                 transformer applied on field 'evt.num'",
            ),
            (
                "proc.name = val(proc.aname)",
                "field 'proc.aname' can't be used as a right-hand side field",
            ),
            (
                "proc.aname = val(proc.name)",
                "field 'proc.aname' doesn't support right-hand side fields",
            ),
            ("fd.snet = val(fd.ip)", "field type 'IPNET' doesn't support right-hand side fields"),
            (
                "proc.name regex val(fd.name)",
                "operator 'REGEX' doesn't support right-hand side fields",
            ),
            (
                "proc.name in val(fd.types)",
                "field 'proc.name' has type 'CHARBUF' while the right-hand side field 'fd.types' has \
                 incompatible type 'CHARBUF' (list)",
            ),
            ("concat(proc.name) = x", "unknown field transfomer 'concat'"),
            ("join(\"-\", proc.name) = x", "join() second argument must be a list"),
        ] {
            assert_eq!(error(condition), message, "{condition}");
        }
    }

    #[test]
    fn errors_are_at_their_comparison() {
        let condition = "proc.name = cat and\n (evt.num = 1 or evt.num = x)";
        let error = compile(condition, &mut Fields::default()).unwrap_err();
        assert_eq!((error.pos.line, error.pos.column), (2, 18));
    }

    #[test]
    fn suspicious_constants_are_pointed_out() {
        let kinds = |condition: &str| {
            let checked = compile(condition, &mut Fields::default()).unwrap();
            checked.warnings.iter().map(|w| w.kind).collect::<Vec<_>>()
        };
        assert_eq!(kinds("proc.name = fd.name"), [CheckWarningKind::FieldAsValue]);
        assert_eq!(kinds("proc.name = 'proc.aname[2]'"), [CheckWarningKind::FieldAsValue]);
        assert_eq!(kinds("proc.name = 'tolower( x )'"), [CheckWarningKind::TransformerAsValue]);
        assert_eq!(kinds("proc.name regex '.*cat'"), [CheckWarningKind::SimpleRegex]);
        assert_eq!(kinds("proc.name regex 'c.t'"), []);
        // A field that would need an argument ends the look at its constant.
        assert_eq!(kinds("proc.name in (evt.arg, cat)"), []);
    }

    #[test]
    fn fields_are_reported_in_reading_order() {
        let condition = "tolower(proc.name) = val(fd.name) and proc.aname[2] exists";
        let checked = compile(condition, &mut Fields::default()).unwrap();
        let used: Vec<_> =
            checked.fields.iter().map(|f| (f.name.as_str(), f.arg.as_deref())).collect();
        assert_eq!(used, [("proc.name", None), ("fd.name", None), ("proc.aname", Some("2"))]);
    }
}
