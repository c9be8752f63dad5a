# Common tasks; `just` lists them. None of them does more than the command that it shows.

_default:
    @just --list

# A simulated PBX and the bridge
demo:
    cargo demo --pretty

# Format the code
fmt:
    cargo fmt --all

# Lints, as CI has them
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

# Unit tests, or those that match a name
test *FILTER:
    cargo test --workspace --lib {{FILTER}}

# Lints, unit tests and most integration tests
fast:
    tests/run --fast

# Everything, as CI runs it
ci:
    tests/run

# Build the book, check links and workflows
docs:
    tests/docs/run

# Generate the typed models in models/, and check them
models:
    models/generate
    cargo build --quiet --package cti-event --example models
    tests/models/run

# Generate the reference pages of the book
reference:
    cargo run --quiet -- generate reference docs

# .deb and .rpm
package:
    cargo build --release
    systemd/package
