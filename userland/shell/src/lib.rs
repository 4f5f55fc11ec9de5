//! The shell: reads lines, takes them apart, runs programs.
//!
//! | file | what | pure |
//! |---|---|---|
//! | [`keys`], [`editor`], [`history`] | bytes become keys, keys a line | yes |
//! | [`input`], [`complete`] | the terminal, and what a tabulator completes | |
//! | [`parse`] | jobs, pipelines, commands, words, redirections | yes |
//! | [`expand`] | parameters and patterns become words | yes |
//! | [`jobs`] | what runs in the background | yes |
//! | [`run`], [`builtin`] | processes, pipes, the terminal; commands of the shell's own | |
//!
//! What it does not do: `if`, `for`, `while`, functions, command substitution, here-documents.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod builtin;
pub mod complete;
pub mod editor;
pub mod expand;
pub mod history;
pub mod input;
pub mod jobs;
pub mod keys;
pub mod parse;
pub mod run;
