//! The report: what was found, in tables that an opponent can check line by line.

mod chain;
pub mod schema;

pub use chain::Chain;
