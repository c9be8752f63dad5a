//! The page for people: one file, no outside assets, and a policy that lets in nothing else.

use std::sync::LazyLock;

use data_encoding::BASE64;
use sha2::{Digest as _, Sha256};

/// The page.
pub(super) const HTML: &str = include_str!("page.html");

/// Its content security policy: its own style and script, by their sums, and requests to where it came from.
pub(super) static POLICY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        sum("style"),
        sum("script")
    )
});

fn sum(element: &str) -> String {
    BASE64.encode(&Sha256::digest(content(element)))
}

/// What stands in the only element of this name.
fn content(element: &str) -> &'static str {
    let (start, end) = (format!("<{element}>"), format!("</{element}>"));
    let inner = HTML.split_once(&start).and_then(|(_, rest)| rest.split_once(&end));
    inner.map(|(inner, _)| inner).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_self_contained() {
        for element in ["style", "script"] {
            assert_eq!(HTML.matches(&format!("<{element}")).count(), 1, "{element}");
            assert!(content(element).len() > 100, "{element}");
        }
        for outside in ["http:", "https:", "//cdn", "src=", "@import", " style=", "onclick"] {
            assert!(!HTML.contains(outside), "{outside}");
        }
        for markup in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "href = "] {
            assert!(!HTML.contains(markup), "{markup}");
        }
    }
}
