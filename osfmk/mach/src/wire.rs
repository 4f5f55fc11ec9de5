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
    fn put(&self, out: &mut dyn ByteSink);

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

/// Splits `N` bytes off the front.
fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*head)
}

macro_rules! integers {
    ($($type:ty),*) => {$(
        impl Wire for $type {
            const SIZE: usize = size_of::<$type>();
            fn put(&self, out: &mut dyn ByteSink) {
                out.extend_bytes(&self.to_le_bytes());
            }
            fn get(bytes: &mut &[u8]) -> Option<Self> {
                take(bytes).map(<$type>::from_le_bytes)
            }
        }
    )*};
}
integers!(u8, i8, u16, i16, u32, i32, u64, i64);

impl<T: Wire + Copy + Default, const N: usize> Wire for [T; N] {
    const SIZE: usize = N * T::SIZE;
    fn put(&self, out: &mut dyn ByteSink) {
        self.iter().for_each(|item| item.put(out));
    }
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
            fn put(&self, out: &mut dyn ByteSink) {
                let to: fn(&Self) -> $inner = $to;
                to(self).put(out);
            }
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
            fn put(&self, out: &mut dyn $crate::wire::ByteSink) {
                $($crate::wire::Wire::put(&self.$field, out);)*
            }
            fn get(bytes: &mut &[u8]) -> Option<Self> {
                Some(Self { $($field: $crate::wire::Wire::get(bytes)?,)* })
            }
        }
    };
}
pub(crate) use wire_struct;
