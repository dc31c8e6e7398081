//! The main integration tests, one module a subject.

#![allow(clippy::disallowed_methods, reason = "tests make and read their own files")]
#![allow(clippy::print_stdout, reason = "a skipped test says so")]

mod atime;
mod carve;
mod carving;
mod changes;
mod cli;
mod compiled;
mod container;
mod digest;
mod exfat;
mod ext;
mod fat;
mod folder;
mod hashset;
mod image;
mod iso9660;
mod layers;
mod media;
mod mounts;
mod near;
mod nested;
mod ntfs;
mod order;
mod output;
mod partition;
mod passage;
mod perceptual;
mod report;
mod runs;
mod scan;
mod signature;
mod sparse;
mod support;
mod tree;
mod unpack;
mod verify;
