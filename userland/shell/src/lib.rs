//! A minimal shell: reads a line, takes it apart, runs programs.
//!
//! | file | what |
//! |---|---|
//! | [`parse`] | words, quotes, `$?`, `;`, `&&`, `||` |
//! | [`run`] | programs and the few built-in commands |
//! | [`input`] | lines from a terminal, which is edited here only if the terminal layer does not |
//!
//! What it does not do: variables, redirection, pipes, background jobs, scripts with control flow.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod input;
pub mod parse;
pub mod run;
