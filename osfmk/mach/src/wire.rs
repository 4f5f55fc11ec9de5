//! Fixed-size values on the wire: [`Wire`], and `wire_struct!` for structures of them.
//!
//! Little-endian, no padding of its own: 8-byte integers stand on 4-byte boundaries as in messages
//! packed to four bytes. Variable arrays and descriptors are [`crate::defs`]' business.

use crate::kern_return::KernReturn;
use crate::port::PortName;
use crate::vm_prot::VmProt;
use alloc::vec::Vec;

/// A value with a fixed number of bytes on the wire.
pub trait Wire: Sized {
    /// Bytes it takes.
    const SIZE: usize;

    /// Appends the bytes.
    fn put<S: ByteSink + ?Sized>(&self, out: &mut S);

    /// Takes the value from the front of `bytes`; `None` if there are too few or they are not one.
    fn get(bytes: &mut &[u8]) -> Option<Self>;

    /// The bytes as a vector.
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::SIZE);
        self.put(&mut out);
        out
    }

    /// The value in `bytes`, which may be longer.
    fn decode(mut bytes: &[u8]) -> Option<Self> {
        Self::get(&mut bytes)
    }

    /// The bytes as 32-bit words, for the calls that speak of `integer_t` arrays.
    fn encode_words(&self) -> Vec<i32> {
        let bytes = self.encode();
        bytes.chunks(4).map(word_of).collect()
    }

    /// The value in an array of 32-bit words.
    fn decode_words(words: &[i32]) -> Option<Self> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        Self::decode(&bytes)
    }
}

fn word_of(chunk: &[u8]) -> i32 {
    let mut word = [0; 4];
    word[..chunk.len()].copy_from_slice(chunk);
    i32::from_le_bytes(word)
}

/// Something bytes can be appended to, whichever vector it is.
pub trait ByteSink {
    /// Appends.
    fn extend_bytes(&mut self, bytes: &[u8]);
}

impl ByteSink for Vec<u8> {
    fn extend_bytes(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

impl<const N: usize> ByteSink for smallvec::SmallVec<[u8; N]>
where
    [u8; N]: smallvec::Array<Item = u8>,
{
    fn extend_bytes(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Bytes that are gathered before they go to another sink: a message's fields are many and short, and each growth of a
/// vector has its price.
pub struct Gathered<'a, S: ByteSink + ?Sized> {
    sink: &'a mut S,
    bytes: [u8; GATHERED],
    used: usize,
}

/// Bytes that are gathered at a time.
const GATHERED: usize = 128;

impl<'a, S: ByteSink + ?Sized> Gathered<'a, S> {
    /// Nothing yet.
    #[inline]
    pub fn new(sink: &'a mut S) -> Self {
        Self {
            sink,
            bytes: [0; GATHERED],
            used: 0,
        }
    }

    /// Hands on what has been gathered.
    #[inline]
    pub fn finish(mut self) {
        self.flush();
    }

    fn flush(&mut self) {
        self.sink.extend_bytes(&self.bytes[..self.used]);
        self.used = 0;
    }
}

impl<S: ByteSink + ?Sized> ByteSink for Gathered<'_, S> {
    #[inline]
    fn extend_bytes(&mut self, bytes: &[u8]) {
        let end = self.used + bytes.len();
        if let Some(place) = self.bytes.get_mut(self.used..end) {
            place.copy_from_slice(bytes);
            self.used = end;
            return;
        }
        self.flush();
        self.sink.extend_bytes(bytes);
    }
}

/// Splits `N` bytes off the front.
#[inline]
fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*head)
}

macro_rules! integers {
    ($($type:ty),*) => {$(
        impl Wire for $type {
            const SIZE: usize = size_of::<$type>();
            #[inline]
            fn put<S: ByteSink + ?Sized>(&self, out: &mut S) {
                out.extend_bytes(&self.to_le_bytes());
            }
            #[inline]
            fn get(bytes: &mut &[u8]) -> Option<Self> {
                take(bytes).map(<$type>::from_le_bytes)
            }
        }
    )*};
}
integers!(u8, i8, u16, i16, u32, i32, u64, i64);

impl<T: Wire + Copy + Default, const N: usize> Wire for [T; N] {
    const SIZE: usize = N * T::SIZE;
    #[inline]
    fn put<S: ByteSink + ?Sized>(&self, out: &mut S) {
        self.iter().for_each(|item| item.put(out));
    }
    #[inline]
    fn get(bytes: &mut &[u8]) -> Option<Self> {
        let mut items = [T::default(); N];
        for item in &mut items {
            *item = T::get(bytes)?;
        }
        Some(items)
    }
}

macro_rules! newtypes {
    ($($type:ty as $inner:ty: $from:expr, $to:expr;)*) => {$(
        impl Wire for $type {
            const SIZE: usize = size_of::<$inner>();
            #[inline]
            fn put<S: ByteSink + ?Sized>(&self, out: &mut S) {
                let to: fn(&Self) -> $inner = $to;
                to(self).put(out);
            }
            #[inline]
            fn get(bytes: &mut &[u8]) -> Option<Self> {
                <$inner>::get(bytes).map($from)
            }
        }
    )*};
}
newtypes! {
    KernReturn as i32: KernReturn, |code| code.0;
    PortName as u32: PortName, |name| name.0;
    VmProt as u32: VmProt::from_bits_retain, |prot| prot.bits();
}

/// Declares a structure whose fields are laid one after the other, and its [`Wire`] codec.
macro_rules! wire_struct {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
        }

        impl $name {
            /// Size in 32-bit words: the count a caller offers or passes.
            pub const WORDS: u32 = (<Self as $crate::wire::Wire>::SIZE / 4) as u32;
        }

        impl $crate::wire::Wire for $name {
            const SIZE: usize = 0 $(+ <$type as $crate::wire::Wire>::SIZE)*;
            #[inline]
            fn put<S: $crate::wire::ByteSink + ?Sized>(&self, out: &mut S) {
                $($crate::wire::Wire::put(&self.$field, out);)*
            }
            #[inline]
            fn get(bytes: &mut &[u8]) -> Option<Self> {
                Some(Self { $($field: $crate::wire::Wire::get(bytes)?,)* })
            }
        }
    };
}
pub(crate) use wire_struct;
