# Common tasks; `just` lists them. None of them does more than the command that it shows.

_default:
    @just --list

# A simulated PBX and the bridge
demo:
    cargo demo --pretty

# Format the code
fmt:
    cargo fmt

# Lints, as CI has them
lint:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings

# Unit tests, or those that match a name
test *FILTER:
    cargo test --lib {{FILTER}}

# Everything, as CI runs it
ci:
    tests/run

# Build the book, check links and workflows
docs:
    tests/docs/run

# Generate the reference pages of the book
reference:
    cargo run --quiet -- generate reference docs/reference

# .deb and .rpm
package:
    cargo build --release
    systemd/package
