//! The comparison operators: their names, which types they suit, and what they mean.
//!
//! * [`mod@compare`] has one value against one other,
//! * [`mod@glob`] has `glob` and `iglob`,
//! * [`mod@path`] has `pmatch`,
//! * [`mod@regex`] has `regex`.

pub mod compare;
pub mod glob;
pub mod path;
pub mod regex;

use std::fmt;

use crate::value::ValueType;

/// An operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // the operators are the language's own
pub enum Op {
    Exists,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Contains,
    Icontains,
    Bcontains,
    StartsWith,
    BstartsWith,
    EndsWith,
    In,
    Intersects,
    Pmatch,
    Glob,
    Iglob,
    Regex,
}

/// How many values of a list must satisfy the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Modifier {
    /// Exactly one; duplicates count.
    OneOf,
    /// At least one.
    AnyOf,
    /// Every one, and there must be one.
    AllOf,
}

impl Op {
    /// An operator by its name without modifier.
    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "exists" => Op::Exists,
            "=" | "==" => Op::Eq,
            "!=" => Op::Ne,
            "<" => Op::Lt,
            "<=" => Op::Le,
            ">" => Op::Gt,
            ">=" => Op::Ge,
            "contains" => Op::Contains,
            "icontains" => Op::Icontains,
            "bcontains" => Op::Bcontains,
            "startswith" => Op::StartsWith,
            "bstartswith" => Op::BstartsWith,
            "endswith" => Op::EndsWith,
            "in" => Op::In,
            "intersects" => Op::Intersects,
            "pmatch" => Op::Pmatch,
            "glob" => Op::Glob,
            "iglob" => Op::Iglob,
            "regex" => Op::Regex,
            _ => return None,
        })
    }

    /// An operator with or without modifier, as in the syntax tree (`startswith oneof`).
    ///
    /// # Errors
    /// If there is no such operator or modifier (message as Falco's).
    pub fn parse(text: &str) -> Result<(Self, Option<Modifier>), String> {
        let (name, modifier) = match text.split_once(' ') {
            None => (text, None),
            Some((name, modifier)) => (name, Some(modifier)),
        };
        let op = Self::from_name(name)
            .ok_or_else(|| format!("unrecognized filter comparison operator '{name}'"))?;
        let modifier = match modifier {
            None => None,
            Some("oneof") => Some(Modifier::OneOf),
            Some("anyof") => Some(Modifier::AnyOf),
            Some("allof") => Some(Modifier::AllOf),
            Some(other) => {
                return Err(format!("unrecognized filter comparison modifier '{other}'"));
            }
        };
        Ok((op, modifier))
    }

    /// The name in the language.
    pub const fn name(self) -> &'static str {
        match self {
            Op::Exists => "exists",
            Op::Eq => "=",
            Op::Ne => "!=",
            Op::Lt => "<",
            Op::Le => "<=",
            Op::Gt => ">",
            Op::Ge => ">=",
            Op::Contains => "contains",
            Op::Icontains => "icontains",
            Op::Bcontains => "bcontains",
            Op::StartsWith => "startswith",
            Op::BstartsWith => "bstartswith",
            Op::EndsWith => "endswith",
            Op::In => "in",
            Op::Intersects => "intersects",
            Op::Pmatch => "pmatch",
            Op::Glob => "glob",
            Op::Iglob => "iglob",
            Op::Regex => "regex",
        }
    }

    /// Whether values of type `ty` can be compared with this operator.
    ///
    /// # Errors
    /// If not (message as Falco's, without its `filter error: `).
    pub fn suits(self, modified: bool, ty: ValueType, list: bool) -> Result<(), String> {
        use ValueType as T;
        let name = self.name();
        if self == Op::Exists {
            return Ok(());
        }
        if list {
            return match ty {
                T::CharBuf
                | T::Uint64
                | T::RelTime
                | T::AbsTime
                | T::Bool
                | T::IpAddr
                | T::IpNet => match self {
                    Op::In | Op::Intersects => Ok(()),
                    _ => Err(format!("'{name}' operator not supported list filters")),
                },
                _ => Err(format!("list filters are not supported for type '{}'", ty.name())),
            };
        }
        let equality = matches!(self, Op::Eq | Op::Ne | Op::In | Op::Intersects);
        let order = matches!(self, Op::Lt | Op::Le | Op::Gt | Op::Ge);
        let (suits, filters) = match ty {
            T::Int8
            | T::Int16
            | T::Int32
            | T::Int64
            | T::Uint8
            | T::Uint16
            | T::Uint32
            | T::Uint64
            | T::Errno
            | T::Fd
            | T::Pid
            | T::SyscallId
            | T::SigType
            | T::RelTime
            | T::AbsTime
            | T::Port
            | T::Flags8
            | T::Flags16
            | T::Flags32
            | T::Double
            | T::Mode
            | T::EnumFlags8
            | T::EnumFlags16
            | T::EnumFlags32 => (equality || order, "numeric"),
            T::Bool => (equality, "numeric"),
            T::Ipv4Addr | T::Ipv4Net | T::Ipv6Addr | T::Ipv6Net | T::IpAddr | T::IpNet => {
                if modified && !equality {
                    return Err(format!(
                        "'{name}' with modifier not supported for ip address and network filters"
                    ));
                }
                (equality, "ip address and network")
            }
            T::CharBuf | T::FsPath | T::FsRelPath => {
                (!matches!(self, Op::Bcontains | Op::BstartsWith), "string")
            }
            T::ByteBuf => (
                equality
                    || matches!(
                        self,
                        Op::Contains
                            | Op::StartsWith
                            | Op::EndsWith
                            | Op::Bcontains
                            | Op::BstartsWith
                    ),
                "buffer",
            ),
            _ => {
                return Err(format!("'{name}' operator not supported for type '{}'", ty.name()));
            }
        };
        if suits {
            Ok(())
        } else {
            Err(format!("'{name}' operator not supported for {filters} filters"))
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
