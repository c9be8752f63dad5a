//! What to say of a key, a word or a type that is wrong, so that the reader knows the right one.

use figment::value::Value;

use super::{name, origin::Origin, schema::Node};

/// A key that none of the `shapes` of its table has.
pub(super) fn unknown(key: &str, shapes: &[Node<'_>], root: Node<'_>) -> String {
    let mut known: Vec<&str> = shapes.iter().flat_map(|shape| shape.keys()).map(|(key, _)| key).collect();
    known.sort_unstable();
    known.dedup();
    let hint = match name::nearest(key, known.iter().copied()) {
        Some(right) => format!("did you mean `{right}`?"),
        None => elsewhere(key, root).unwrap_or_else(|| format!("there are {}", known.join(", "))),
    };
    format!("is no key here: {hint}")
}

/// The table that does have this key.
fn elsewhere(key: &str, root: Node<'_>) -> Option<String> {
    let has = |node: Node<'_>| {
        let shapes = node.variants().unwrap_or_else(|| vec![("", node)]);
        shapes.iter().any(|(_, shape)| shape.key(key).is_some())
    };
    if root.key(key).is_some() {
        return Some(format!("`{key}` stands at the top of the file, before the first [table]"));
    }
    root.keys().find_map(|(table, node)| match node.named() {
        Some(named) if has(named) => Some(format!("`{key}` belongs into [{table}.NAME]")),
        None if has(node) => Some(format!("`{key}` belongs into [{table}]")),
        _ => None,
    })
}

/// A word that is not one of `words`.
pub(super) fn word(key: &str, word: &str, words: &[&str], absent: fn(&str) -> Option<String>) -> String {
    if let Some(sentence) = absent(word).filter(|_| key == "type") {
        return sentence;
    }
    let meant = name::nearest(word, words.iter().copied());
    let meant = meant.map_or_else(String::new, |meant| format!("; did you mean \"{meant}\"?"));
    format!("can't be {word:?}: write {}{meant}", listed(words))
}

/// `"a" or "b"`.
pub(super) fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" or ")
}

/// A value of another type than its key takes. The value itself may be a secret.
pub(super) fn kind(path: &str, node: Node<'_>, found: &Value, origin: &Origin) -> String {
    let found = match found {
        Value::String(..) | Value::Char(..) => "a string",
        Value::Bool(..) => "a boolean",
        Value::Num(..) => "a number",
        Value::Dict(..) => "a table",
        Value::Array(..) => "a list",
        Value::Empty(..) => "nothing",
    };
    let want = match (node.kind(), origin) {
        ("string", _) => format!("a string: write it in quotes, as in \"{}\"", node.example().unwrap_or("…")),
        ("boolean", _) => "a boolean: write true or false".to_owned(),
        ("integer", _) => "a whole number: write it without quotes".to_owned(),
        ("array", _) => "a list of strings: write [\"…\", \"…\"]".to_owned(),
        (_, Origin::Variable(name)) => format!("a table: set its keys one by one, as {name}__KEY"),
        (_, Origin::Flag(_)) => format!("a table: set its keys one by one, as {path}.KEY"),
        _ => format!("a table: write [{path}] and its keys below"),
    };
    format!("is {found}, but must be {want}")
}
