//! What can be asked of a page list. Own interface, subsystem 2850, on the list's port.
//!
//! The port names frames; whoever has a right can pass them on without mapping them, and learn here the little that can be
//! said of pages nobody looks at.

use super::prelude::*;

/// Pages that one answer speaks of.
pub const PAGES: usize = 64;

interface! {
    subsystem page_list = 2850;

    /// Which of the first [`PAGES`] pages are filled with one word: bit n of `filled` stands for page n, `words` has a word
    /// for every page. A page that is written meanwhile may be told as it was.
    routine 2850 "page_list_fills" fills [] {} -> [] { filled: u64, words: Array<u64, 64> };
}
