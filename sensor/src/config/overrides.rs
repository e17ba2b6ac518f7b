//! `-o key=value`: sets one place of the tree, making the way there.
//!
//! Keys descend with `.`, index lists with `[n]` and append to them with `[]`; `\` takes `.`, `[`,
//! `]` and itself literally. A value in braces is a YAML map, anything else one text.

use super::tree::{self, Node, Origin, Value};

/// One step of a key.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
    Append,
}

/// A parsed `-o`.
#[derive(Debug)]
pub struct Override {
    path: Vec<Step>,
    value: Node,
}

impl Override {
    /// Reads `key=value`.
    ///
    /// # Errors
    /// If there is no `=`, the key is malformed or a value in braces is no YAML.
    pub fn parse(text: &str) -> Result<Override, String> {
        let Some((key, value)) = text.split_once('=') else {
            return Err(format!(
                "Error parsing config option \"{text}\". Must be of the form key=val or \
                 key.subkey=val"
            ));
        };
        let path = parse_key(key).map_err(|e| format!("Config error at key \"{key}\": {e}"))?;
        let origin = Origin::Option(text.into());
        let value = if value.starts_with('{') && value.ends_with('}') {
            tree::parse(value, &|_| origin.clone()).map_err(|e| e.to_string())?
        } else {
            Node { origin, value: Value::Scalar(value.to_owned()) }
        };
        Ok(Override { path, value })
    }

    /// The top-level key that it changes.
    pub fn top_level_key(&self) -> &str {
        match self.path.first() {
            Some(Step::Key(key)) => key,
            _ => "",
        }
    }

    /// Sets the value in `root`.
    ///
    /// # Errors
    /// If an index is beyond the end of a list, or the way leads through a single value.
    pub fn apply(&self, root: &mut Node) -> Result<(), String> {
        let mut node = root;
        for step in &self.path {
            node = descend(node, step, &self.value.origin)?;
        }
        *node = self.value.clone();
        Ok(())
    }
}

fn descend<'n>(node: &'n mut Node, step: &Step, origin: &Origin) -> Result<&'n mut Node, String> {
    let fresh = || Node { origin: origin.clone(), value: Value::Null };
    match step {
        Step::Key(key) => {
            if !matches!(node.value, Value::Map(_)) {
                node.value = Value::Map(Vec::new());
            }
            let Value::Map(entries) = &mut node.value else { unreachable!("set above") };
            let at = entries.iter().position(|(k, _)| k == key).unwrap_or_else(|| {
                entries.push((key.clone(), fresh()));
                entries.len() - 1
            });
            Ok(&mut entries[at].1)
        }
        Step::Index(_) | Step::Append => {
            if !matches!(node.value, Value::List(_)) {
                node.value = Value::List(Vec::new());
            }
            let Value::List(items) = &mut node.value else { unreachable!("set above") };
            let at = if let Step::Index(at) = step { *at } else { items.len() };
            if at > items.len() {
                return Err(format!(
                    "{origin}: index {at} is beyond the {} elements of the list",
                    items.len()
                ));
            }
            if at == items.len() {
                items.push(fresh());
            }
            Ok(&mut items[at])
        }
    }
}

fn parse_key(key: &str) -> Result<Vec<Step>, String> {
    let mut path = Vec::new();
    let mut name = String::new();
    let mut chars = key.char_indices().peekable();
    // After `]` a name may not follow without a dot.
    let mut after_index = false;
    let parsing = |what: String, pos: usize| format!("Parsing error: {what} at pos {pos}");
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some((_, c @ ('.' | '[' | ']' | '\\'))) => name.push(c),
                Some((_, c)) => {
                    return Err(parsing(format!("invalid escape sequence '\\{c}'"), at));
                }
                None => return Err(parsing("incomplete escape sequence".to_owned(), at)),
            },
            '.' => {
                if name.is_empty() && !after_index {
                    return Err(parsing("expected a key".to_owned(), at));
                }
                if !name.is_empty() {
                    path.push(Step::Key(std::mem::take(&mut name)));
                }
                after_index = false;
            }
            '[' => {
                if !name.is_empty() {
                    path.push(Step::Key(std::mem::take(&mut name)));
                } else if !after_index {
                    return Err(parsing("expected a key".to_owned(), at));
                }
                let inner: String =
                    std::iter::from_fn(|| chars.next_if(|(_, c)| *c != ']').map(|(_, c)| c))
                        .collect();
                if chars.next().is_none() {
                    return Err(parsing("unclosed '['".to_owned(), at));
                }
                path.push(if inner.is_empty() {
                    Step::Append
                } else {
                    Step::Index(
                        inner
                            .parse()
                            .map_err(|_| parsing("expected a numeric index".to_owned(), at + 1))?,
                    )
                });
                after_index = true;
            }
            c if after_index => {
                return Err(parsing(format!("expected '.' or '[' but found '{c}'"), at));
            }
            c => name.push(c),
        }
    }
    if !name.is_empty() {
        path.push(Step::Key(name));
    } else if !after_index {
        return Err(parsing("expected a key".to_owned(), key.len()));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(root: &mut Node, text: &str) {
        Override::parse(text).unwrap().apply(root).unwrap();
    }

    fn root() -> Node {
        tree::parse("a: {b: [x, y]}\n", &|line| Origin::File("f".into(), line)).unwrap()
    }

    fn render(node: &Node) -> String {
        match &node.value {
            Value::Null => "~".to_owned(),
            Value::Scalar(s) => s.clone(),
            Value::List(l) => format!("[{}]", l.iter().map(render).collect::<Vec<_>>().join(",")),
            Value::Map(m) => {
                let entries: Vec<_> = m.iter().map(|(k, v)| format!("{k}:{}", render(v))).collect();
                format!("{{{}}}", entries.join(","))
            }
        }
    }

    #[test]
    fn keys_lead_anywhere() {
        let mut r = root();
        set(&mut r, "a.b[1]=z");
        set(&mut r, "a.b[]=w");
        set(&mut r, "a.b[3]=v=1");
        set(&mut r, r"c\.d=1");
        set(&mut r, "rules[].disable.rule=*");
        set(&mut r, r#"append_output[]={"extra_fields": [proc.env]}"#);
        assert_eq!(
            render(&r),
            "{a:{b:[x,z,w,v=1]},c.d:1,rules:[{disable:{rule:*}}],\
             append_output:[{extra_fields:[proc.env]}]}"
        );
        assert_eq!(r.at("rules").unwrap().origin.to_string(), "-o rules[].disable.rule=*");
    }

    #[test]
    fn malformed_options_are_refused_in_falcos_words() {
        let refusal = |text: &str| Override::parse(text).unwrap_err();
        assert_eq!(
            refusal("a"),
            "Error parsing config option \"a\". Must be of the form key=val or key.subkey=val"
        );
        assert_eq!(
            refusal(r"a\x=1"),
            r#"Config error at key "a\x": Parsing error: invalid escape sequence '\x' at pos 1"#
        );
        assert!(refusal("a[x]=1").contains("expected a numeric index"));
        assert!(refusal("a[1=1").contains("unclosed"));
        assert!(refusal("a..b=1").contains("expected a key"));
        assert!(refusal("a[0]b=1").contains("expected '.'"));
        assert!(refusal("a={b: [}").contains("-o a={b: [}"));
        assert!(
            Override::parse("a.b[7]=1").unwrap().apply(&mut root()).unwrap_err().contains("beyond")
        );
    }
}
