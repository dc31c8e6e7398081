//! The main integration tests, one module a subject.

#![allow(clippy::disallowed_methods, reason = "tests make and read their own files")]

mod layers;
