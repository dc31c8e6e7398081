//! The main integration tests, one module a subject.
