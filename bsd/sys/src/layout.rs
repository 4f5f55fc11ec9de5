//! Structures as bytes, without `unsafe`: [`Abi`] and the macro that declares them.
//!
//! Fields are written one after the other, little-endian; padding is declared as a field, so that the
//! sequence equals C's layout (a test compares sizes).

/// A value with a fixed number of bytes.
pub trait Abi: Sized {
    /// Bytes it takes.
    const SIZE: usize;

    /// Writes the bytes at the front of `out`, which holds at least [`Abi::SIZE`].
    fn write(&self, out: &mut [u8]);

    /// The value at the front of `bytes`; `None` if there are too few.
    fn read(bytes: &[u8]) -> Option<Self>;
}

macro_rules! integers {
    ($($type:ty),*) => {$(
        impl Abi for $type {
            const SIZE: usize = size_of::<$type>();
            fn write(&self, out: &mut [u8]) {
                out[..Self::SIZE].copy_from_slice(&self.to_le_bytes());
            }
            fn read(bytes: &[u8]) -> Option<Self> {
                bytes.first_chunk().map(|bytes| Self::from_le_bytes(*bytes))
            }
        }
    )*};
}
integers!(u8, i8, u16, i16, u32, i32, u64, i64);

impl<T: Abi + Copy + Default, const N: usize> Abi for [T; N] {
    const SIZE: usize = N * T::SIZE;
    fn write(&self, out: &mut [u8]) {
        for (item, place) in self.iter().zip(out.chunks_mut(T::SIZE)) {
            item.write(place);
        }
    }
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut items = [T::default(); N];
        for (index, item) in items.iter_mut().enumerate() {
            *item = T::read(bytes.get(index * T::SIZE..)?)?;
        }
        Some(items)
    }
}

macro_rules! abi_struct {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
        #[repr(C)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
        }

        impl $name {
            /// Bytes of the structure.
            pub const SIZE: usize = <Self as $crate::layout::Abi>::SIZE;

            /// The structure's bytes.
            pub fn to_bytes(&self) -> [u8; Self::SIZE] {
                let mut bytes = [0; Self::SIZE];
                $crate::layout::Abi::write(self, &mut bytes);
                bytes
            }

            /// The structure in `bytes`, which may be longer.
            pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
                $crate::layout::Abi::read(bytes)
            }
        }

        impl $crate::layout::Abi for $name {
            const SIZE: usize = 0 $(+ <$type as $crate::layout::Abi>::SIZE)*;
            fn write(&self, out: &mut [u8]) {
                let mut _at = 0;
                $(
                    $crate::layout::Abi::write(&self.$field, &mut out[_at..]);
                    _at += <$type as $crate::layout::Abi>::SIZE;
                )*
            }
            fn read(bytes: &[u8]) -> Option<Self> {
                let mut _at = 0;
                Some(Self {
                    $($field: {
                        let value = $crate::layout::Abi::read(bytes.get(_at..)?)?;
                        _at += <$type as $crate::layout::Abi>::SIZE;
                        value
                    },)*
                })
            }
        }

        // C's layout and the sequence of fields are the same.
        const _: () = assert!(size_of::<$name>() == <$name as $crate::layout::Abi>::SIZE);
    };
}
pub(crate) use abi_struct;
