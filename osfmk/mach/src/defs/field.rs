//! Inline arguments: values of fixed size, counted arrays, strings.
//!
//! A fixed value is anything that is [`Wire`]. An array is preceded by its count and padded to four
//! bytes; only what is used is sent.

use crate::kern_return::KernReturn;
use crate::wire::{ByteSink, Wire};
use alloc::vec::Vec;

/// A piece of an inline argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part {
    /// Its own name, if it is not the argument's.
    pub name: Option<&'static str>,
    /// What is appended to the name.
    pub suffix: &'static str,
    /// Fewest bytes.
    pub min: usize,
    /// Most bytes.
    pub max: usize,
}

impl Part {
    const fn new(suffix: &'static str, min: usize, max: usize) -> Self {
        Self {
            name: None,
            suffix,
            min,
            max,
        }
    }
}

/// An inline argument.
pub trait Field: Sized {
    /// The pieces it is made of.
    const PARTS: &'static [Part];

    /// Appends the bytes.
    fn put<S: ByteSink + ?Sized>(&self, out: &mut S);

    /// Takes the argument from the front of `bytes`.
    ///
    /// # Errors
    /// `MIG_BAD_ARGUMENTS` if the bytes are too few or say the impossible.
    fn get(bytes: &mut &[u8]) -> Result<Self, KernReturn>;
}

const BAD: KernReturn = KernReturn::MIG_BAD_ARGUMENTS;

impl<T: Wire> Field for T {
    const PARTS: &'static [Part] = &[Part::new("", T::SIZE, T::SIZE)];

    #[inline]
    fn put<S: ByteSink + ?Sized>(&self, out: &mut S) {
        Wire::put(self, out);
    }

    #[inline]
    fn get(bytes: &mut &[u8]) -> Result<Self, KernReturn> {
        <T as Wire>::get(bytes).ok_or(BAD)
    }
}

const fn round4(size: usize) -> usize {
    size.next_multiple_of(4)
}

fn pad4<S: ByteSink + ?Sized>(written: usize, out: &mut S) {
    out.extend_bytes(&[0; 3][..round4(written) - written]);
}

/// Takes `size` bytes and their padding from the front.
fn take_padded<'a>(bytes: &mut &'a [u8], size: usize) -> Result<&'a [u8], KernReturn> {
    let (padded, rest) = bytes.split_at_checked(round4(size)).ok_or(BAD)?;
    *bytes = rest;
    Ok(&padded[..size])
}

fn get_items<T: Wire>(bytes: &mut &[u8], count: usize, max: usize) -> Result<Vec<T>, KernReturn> {
    if count > max {
        return Err(BAD);
    }
    let mut taken = take_padded(bytes, count * T::SIZE)?;
    let mut items = Vec::with_capacity(count);
    for _ in 0..count {
        items.push(<T as Wire>::get(&mut taken).ok_or(BAD)?);
    }
    Ok(items)
}

/// At most `MAX` items; more than that are not sent.
fn put_items<T: Wire, S: ByteSink + ?Sized>(items: &[T], max: usize, out: &mut S) {
    let count = items.len().min(max);
    items[..count].iter().for_each(|item| Wire::put(item, out));
    pad4(count * T::SIZE, out);
}

fn count_of(items: usize, max: usize) -> u32 {
    items.min(max) as u32
}

/// A counted array of at most `MAX` items.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Array<T, const MAX: usize>(pub Vec<T>);

impl<T, const MAX: usize> Default for Array<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MAX: usize> From<Vec<T>> for Array<T, MAX> {
    fn from(items: Vec<T>) -> Self {
        Self(items)
    }
}

impl<T: Clone, const MAX: usize> From<&[T]> for Array<T, MAX> {
    fn from(items: &[T]) -> Self {
        Self(items.to_vec())
    }
}

impl<const MAX: usize> Array<i32, MAX> {
    /// A structure as words, cut to what the caller said it has room for.
    pub fn of_words(value: &impl Wire, room: u32) -> Self {
        let mut words = value.encode_words();
        words.truncate(room as usize);
        Self(words)
    }

    /// The structure in these words.
    ///
    /// # Errors
    /// `MIG_BAD_ARGUMENTS` if there are too few.
    pub fn decode_words<S: Wire>(&self) -> Result<S, KernReturn> {
        S::decode_words(&self.0).ok_or(BAD)
    }
}

impl<T: Wire, const MAX: usize> Field for Array<T, MAX> {
    const PARTS: &'static [Part] = &[
        Part::new("Cnt", 4, 4),
        Part::new("", 0, round4(MAX * T::SIZE)),
    ];

    fn put<S: ByteSink + ?Sized>(&self, out: &mut S) {
        Wire::put(&count_of(self.0.len(), MAX), out);
        put_items(&self.0, MAX, out);
    }

    fn get(bytes: &mut &[u8]) -> Result<Self, KernReturn> {
        let count = <u32 as Field>::get(bytes)? as usize;
        get_items(bytes, count, MAX).map(Self)
    }
}

/// A string of at most `MAX` bytes, the final NUL included: an offset (always 0), a count, the bytes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CString<const MAX: usize>(Vec<u8>);

impl<const MAX: usize> CString<MAX> {
    /// The string of this text; `None` if it holds a NUL or does not fit.
    pub fn new(text: &str) -> Option<Self> {
        let fits = text.len() < MAX && !text.contains('\0');
        fits.then(|| Self(text.as_bytes().to_vec()))
    }

    /// The string of these bytes, cut at the first NUL and to what fits.
    pub fn cut(bytes: &[u8]) -> Self {
        let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        Self(text[..text.len().min(MAX.saturating_sub(1))].to_vec())
    }

    /// The bytes without the NUL.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text, if it is UTF-8.
    pub fn to_str(&self) -> Option<&str> {
        core::str::from_utf8(&self.0).ok()
    }
}

impl<const MAX: usize> Field for CString<MAX> {
    const PARTS: &'static [Part] = &[
        Part::new("Offset", 4, 4),
        Part::new("Cnt", 4, 4),
        Part::new("", 0, round4(MAX)),
    ];

    fn put<S: ByteSink + ?Sized>(&self, out: &mut S) {
        Wire::put(&0u32, out);
        Wire::put(&(self.0.len() as u32 + 1), out);
        out.extend_bytes(&self.0);
        out.extend_bytes(&[0]);
        pad4(self.0.len() + 1, out);
    }

    fn get(bytes: &mut &[u8]) -> Result<Self, KernReturn> {
        let _offset = <u32 as Field>::get(bytes)?;
        let count = <u32 as Field>::get(bytes)? as usize;
        if count > MAX {
            return Err(BAD);
        }
        take_padded(bytes, count).map(Self::cut)
    }
}

/// The most handlers a task, thread or host has.
#[doc(alias = "EXC_TYPES_COUNT")]
pub const HANDLERS_MAX: usize = 32;

/// Three arrays under one count: for each set of exceptions, the behaviour and flavour its handler
/// gets. The handlers themselves are descriptors.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ExceptionPorts(pub Vec<ExceptionPort>);

/// One row of [`ExceptionPorts`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ExceptionPort {
    /// The exceptions.
    pub mask: u32,
    /// What the message carries.
    pub behavior: i32,
    /// Which thread state it carries.
    pub flavor: i32,
}

impl Field for ExceptionPorts {
    const PARTS: &'static [Part] = &[
        Part {
            name: Some("masksCnt"),
            suffix: "",
            min: 4,
            max: 4,
        },
        Part {
            name: Some("masks"),
            suffix: "",
            min: 0,
            max: 4 * HANDLERS_MAX,
        },
        Part {
            name: Some("old_behaviors"),
            suffix: "",
            min: 0,
            max: 4 * HANDLERS_MAX,
        },
        Part {
            name: Some("old_flavors"),
            suffix: "",
            min: 0,
            max: 4 * HANDLERS_MAX,
        },
    ];

    fn put<S: ByteSink + ?Sized>(&self, out: &mut S) {
        let rows = &self.0[..self.0.len().min(HANDLERS_MAX)];
        Wire::put(&(rows.len() as u32), out);
        rows.iter().for_each(|row| Wire::put(&row.mask, out));
        rows.iter().for_each(|row| Wire::put(&row.behavior, out));
        rows.iter().for_each(|row| Wire::put(&row.flavor, out));
    }

    fn get(bytes: &mut &[u8]) -> Result<Self, KernReturn> {
        let count = <u32 as Field>::get(bytes)? as usize;
        let masks = get_items::<u32>(bytes, count, HANDLERS_MAX)?;
        let behaviors = get_items::<i32>(bytes, count, HANDLERS_MAX)?;
        let flavors = get_items::<i32>(bytes, count, HANDLERS_MAX)?;
        let rows = masks.into_iter().zip(behaviors).zip(flavors);
        let row = |((mask, behavior), flavor)| ExceptionPort {
            mask,
            behavior,
            flavor,
        };
        Ok(Self(rows.map(row).collect()))
    }
}
