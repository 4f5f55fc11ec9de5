//! Tables of what the interfaces declare, for tests and for tools that print messages.
//!
//! Offsets are not stored: [`MessageLayout::fields`] computes them by the rules of layout, from the
//! same constants that encoding uses.

use super::field::Part;
use crate::message::header::HEADER_SIZE;
use crate::message::raw::{BODY_SIZE, PORT_DESCRIPTOR_SIZE, WIDE_DESCRIPTOR_SIZE};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Bytes of the NDR record before inline arguments.
pub const NDR_SIZE: usize = 8;
/// Bytes of the return code in a simple reply.
pub const RETURN_CODE_SIZE: usize = 4;

/// One descriptor of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DescriptorLayout {
    /// A right, sent with this disposition (zero: the caller chooses).
    Port(u32),
    /// So many rights, always all sent.
    PortArray(u32, usize),
    /// Memory.
    Memory,
    /// An out-of-line array of rights, sent with this disposition.
    Ports(u32),
}

/// A descriptor with its argument's name, for the tables the macro makes.
pub const fn part_descriptor(
    name: &'static str,
    layout: DescriptorLayout,
) -> (&'static str, DescriptorLayout) {
    (name, layout)
}

impl DescriptorLayout {
    /// Bytes it takes.
    pub const fn size(self) -> usize {
        match self {
            Self::Port(_) => PORT_DESCRIPTOR_SIZE,
            Self::PortArray(_, count) => PORT_DESCRIPTOR_SIZE * count,
            Self::Memory | Self::Ports(_) => WIDE_DESCRIPTOR_SIZE,
        }
    }

    /// Descriptors it counts for.
    pub const fn count(self) -> usize {
        match self {
            Self::PortArray(_, count) => count,
            _ => 1,
        }
    }
}

/// One inline argument.
#[derive(Clone, Copy, Debug)]
pub struct FieldLayout {
    /// Its name.
    pub name: &'static str,
    /// The pieces it is made of: arrays have a count before them.
    pub parts: &'static [Part],
}

/// One message.
#[derive(Clone, Copy, Debug)]
pub struct MessageLayout {
    /// A simple reply carries a return code.
    pub is_reply: bool,
    /// The descriptors, by argument.
    pub descriptors: &'static [(&'static str, DescriptorLayout)],
    /// The inline arguments.
    pub inline: &'static [FieldLayout],
}

/// Where one piece of a message stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Placed {
    /// Argument name, with `Cnt` or `Offset` for the words before an array.
    pub name: String,
    /// From the start of the message, with every earlier array full.
    pub offset: usize,
    /// Fewest bytes.
    pub min: usize,
    /// Most bytes.
    pub max: usize,
    /// True behind a variable array.
    pub floating: bool,
}

impl MessageLayout {
    /// True when it has descriptors.
    pub const fn is_complex(&self) -> bool {
        !self.descriptors.is_empty()
    }

    /// Number of descriptors.
    pub fn descriptor_count(&self) -> usize {
        self.descriptors
            .iter()
            .map(|(_, layout)| layout.count())
            .sum()
    }

    /// Where everything stands: descriptors, then inline arguments.
    pub fn fields(&self) -> Vec<Placed> {
        let mut placed = Vec::new();
        let mut offset = HEADER_SIZE + if self.is_complex() { BODY_SIZE } else { 0 };
        for (name, layout) in self.descriptors {
            let size = layout.size();
            placed.push(Placed {
                name: String::from(*name),
                offset,
                min: size,
                max: size,
                floating: false,
            });
            offset += size;
        }
        offset += self.prefix();
        let mut floating = false;
        for field in self.inline {
            for part in field.parts {
                let name = format!("{}{}", part.name.unwrap_or(field.name), part.suffix);
                placed.push(Placed {
                    name,
                    offset,
                    min: part.min,
                    max: part.max,
                    floating,
                });
                offset += part.max;
                floating |= part.min != part.max;
            }
        }
        placed
    }

    /// Bytes of NDR record and return code.
    const fn prefix(&self) -> usize {
        match (self.is_reply, self.is_complex()) {
            (true, false) => NDR_SIZE + RETURN_CODE_SIZE,
            _ if self.inline.is_empty() => 0,
            _ => NDR_SIZE,
        }
    }

    fn size(&self, part_size: fn(&Part) -> usize) -> usize {
        let body = if self.is_complex() { BODY_SIZE } else { 0 };
        let descriptors: usize = self
            .descriptors
            .iter()
            .map(|(_, layout)| layout.size())
            .sum();
        let parts = self.inline.iter().flat_map(|field| field.parts);
        HEADER_SIZE + body + descriptors + self.prefix() + parts.map(part_size).sum::<usize>()
    }

    /// Bytes with every array empty.
    pub fn min_size(&self) -> usize {
        self.size(|part| part.min)
    }

    /// Bytes with every array full.
    pub fn max_size(&self) -> usize {
        self.size(|part| part.max)
    }
}

/// One routine.
#[derive(Clone, Copy, Debug)]
pub struct RoutineLayout {
    /// Id of the request.
    pub id: i32,
    /// XNU's name, or the own one.
    pub name: &'static str,
    /// The request.
    pub request: MessageLayout,
    /// The reply; `None` for a message that is not answered.
    pub reply: Option<MessageLayout>,
}
