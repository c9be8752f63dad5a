//! Messages for an unknown key, a wrong word or a wrong type, with a hint at the right one.

use figment::value::Value;

use super::{name, origin::Origin, schema::Node};

/// The message for a key that none of the `shapes` of its table has.
pub(super) fn unknown(key: &str, shapes: &[Node<'_>], root: Node<'_>) -> String {
    let mut known: Vec<&str> = shapes.iter().flat_map(|shape| shape.keys()).map(|(key, _)| key).collect();
    known.sort_unstable();
    known.dedup();
    let within = shapes.iter().flat_map(|shape| shape.keys()).find(|(_, inner)| inner.key(key).is_some());
    let hint = match (name::nearest(key, known.iter().copied()), within) {
        (Some(right), _) => format!("did you mean `{right}`?"),
        (None, Some((table, _))) => format!("`{key}` belongs in `{table}`, as in {table} = {{ {key} = … }}"),
        (None, None) => {
            elsewhere(key, root).unwrap_or_else(|| format!("valid keys are {}", known.join(", ")))
        }
    };
    format!("unknown key: {hint}")
}

/// A hint at the table that does have this key.
fn elsewhere(key: &str, root: Node<'_>) -> Option<String> {
    let has = |node: Node<'_>| {
        let shapes = node.variants().unwrap_or_else(|| vec![("", node)]);
        shapes.iter().any(|(_, shape)| shape.key(key).is_some())
    };
    if root.key(key).is_some() {
        return Some(format!("`{key}` belongs at the top of the file, before the first [table]"));
    }
    root.keys().find_map(|(table, node)| match node.named() {
        Some(named) if has(named) => Some(format!("`{key}` belongs in [{table}.NAME]")),
        None if has(node) => Some(format!("`{key}` belongs in [{table}]")),
        _ => None,
    })
}

/// The message for a word that is not one of `words`.
pub(super) fn word(key: &str, word: &str, words: &[&str], absent: fn(&str) -> Option<String>) -> String {
    if let Some(sentence) = absent(word).filter(|_| key == "type") {
        return sentence;
    }
    let meant = name::nearest(word, words.iter().copied());
    let meant = meant.map_or_else(String::new, |meant| format!("; did you mean \"{meant}\"?"));
    format!("can't be {word:?}: write {}{meant}", listed(words))
}

/// Lists words as `"a" or "b"`.
pub(super) fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" or ")
}

/// The message for a value of the wrong type. It does not quote the value, which may be a secret.
pub(super) fn kind(path: &str, node: Node<'_>, found: &Value, origin: &Origin) -> String {
    let found = match found {
        Value::String(..) | Value::Char(..) => "a string",
        Value::Bool(..) => "a boolean",
        Value::Num(..) => "a number",
        Value::Dict(..) => "a table",
        Value::Array(..) => "a list",
        Value::Empty(..) => "nothing",
    };
    let kinds: Vec<&str> = node.alternatives().map(Node::kind).collect();
    let want = match (node.kind(), origin) {
        _ if kinds.contains(&"number") => "a string, a number or a boolean".to_owned(),
        _ if !kinds.is_empty() => "a string or a list of strings: write \"…\" or [\"…\", \"…\"]".to_owned(),
        ("array", Origin::Variable(_) | Origin::Flag(_)) if node.is_list_of_tables() => {
            "a list of tables, which is best written in the configuration file".to_owned()
        }
        ("array", _) if node.is_list_of_tables() => {
            format!("a list of tables: write [[{path}]] and its keys below, once for each")
        }
        ("array", _) if node.items().is_some_and(|inner| inner.kind() == "mixed") => {
            "a list: write [\"…\", \"…\"]".to_owned()
        }
        ("string", _) => format!("a string: write it in quotes, as in \"{}\"", node.example().unwrap_or("…")),
        ("boolean", _) => "a boolean: write true or false".to_owned(),
        ("integer", _) => "a whole number: write it without quotes".to_owned(),
        ("array", _) => "a list of strings: write [\"…\", \"…\"]".to_owned(),
        _ if path.ends_with(']') => "a table: write { … }".to_owned(),
        (_, Origin::Variable(name)) => format!("a table: set its keys one by one, as {name}__KEY"),
        (_, Origin::Flag(_)) => format!("a table: set its keys one by one, as {path}.KEY"),
        _ if path.contains('[') => {
            format!("a table: write {} = {{ … }}", path.rsplit('.').next().unwrap_or(path))
        }
        _ => format!("a table: write [{path}] and its keys below"),
    };
    format!("is {found}, but must be {want}")
}
