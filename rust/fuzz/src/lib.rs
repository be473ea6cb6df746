//! The fuzzer runs what the property tests run: the calls and their checks are theirs.

#[allow(dead_code)]
#[path = "../../core/tests/support/mod.rs"]
pub mod support;
