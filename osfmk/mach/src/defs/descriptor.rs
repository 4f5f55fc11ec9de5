//! Arguments that travel in descriptors: rights and memory.
//!
//! Each kind is a marker type in [`kind`]; [`Kind`] says what Rust value it stands for on a given
//! side and how it is put into a message and taken out.

use super::layout::DescriptorLayout;
use crate::kern_return::KernReturn;
use crate::message::{Carried, Carrier, Descriptor, Message};
use crate::port::Disposition;
use alloc::vec::Vec;
use smallvec::SmallVec;

/// The descriptors of a received message, taken one after the other.
#[derive(Debug)]
pub struct Descriptors<C: Carrier>(smallvec::IntoIter<[Descriptor<C>; 2]>);

impl<C: Carrier> Descriptors<C> {
    /// All descriptors of `message`.
    pub fn of(message: &mut Message<C>) -> Self {
        Self(core::mem::replace(&mut message.descriptors, SmallVec::new()).into_iter())
    }

    fn next(&mut self) -> Result<Descriptor<C>, KernReturn> {
        self.0.next().ok_or(KernReturn::MIG_TYPE_ERROR)
    }

    /// No descriptor may be left over.
    ///
    /// # Errors
    /// `MIG_TYPE_ERROR` if there is one.
    pub fn finish(mut self) -> Result<(), KernReturn> {
        match self.0.next() {
            None => Ok(()),
            Some(_) => Err(KernReturn::MIG_TYPE_ERROR),
        }
    }
}

/// A kind of descriptor argument.
pub trait Kind<C: Carrier> {
    /// What stands for it in a request or reply.
    type Value;

    /// Adds it to a message.
    fn put(value: Self::Value, message: &mut Message<C>);

    /// Takes it from a received message.
    ///
    /// # Errors
    /// `MIG_TYPE_ERROR` if something else stands there.
    fn get(descriptors: &mut Descriptors<C>) -> Result<Self::Value, KernReturn>;
}

/// The layout of a kind, the same for every carrier.
pub trait KindLayout {
    /// Its layout.
    const LAYOUT: DescriptorLayout;
}

/// The kinds, and the dispositions they are declared with.
pub mod kind {
    /// Disposition: a copy of the sender's send right.
    pub const COPY_SEND: u32 = 19;
    /// Disposition: the sender's send right.
    pub const MOVE_SEND: u32 = 17;
    /// Disposition: the sender's send-once right.
    pub const MOVE_SEND_ONCE: u32 = 18;
    /// Disposition: the receive right.
    pub const MOVE_RECEIVE: u32 = 16;
    /// Disposition: a new send right.
    pub const MAKE_SEND: u32 = 20;
    /// Disposition: a new send-once right.
    pub const MAKE_SEND_ONCE: u32 = 21;
    /// Disposition: the sender chooses.
    pub const POLY: u32 = 0;

    /// A right.
    #[derive(Debug)]
    pub struct Port<const DISPOSITION: u32>;
    /// `COUNT` rights.
    #[derive(Debug)]
    pub struct PortArray<const DISPOSITION: u32, const COUNT: usize>;
    /// Memory.
    #[derive(Debug)]
    pub struct Memory;
    /// An out-of-line array of rights.
    #[derive(Debug)]
    pub struct Ports<const DISPOSITION: u32>;
}

/// The receiver of an argument declared with `declared` demands what the sender's disposition
/// becomes; null and dead ports pass.
fn check<C: Carrier>(declared: u32, carried: &Carried<C::Right>) -> Result<(), KernReturn> {
    let (Some(right), Some(declared)) = (carried.as_right(), Disposition::from_raw(declared))
    else {
        return Ok(());
    };
    if C::disposition(right).received() == declared.received() {
        Ok(())
    } else {
        Err(KernReturn::MIG_TYPE_ERROR)
    }
}

impl<const DISPOSITION: u32> KindLayout for kind::Port<DISPOSITION> {
    const LAYOUT: DescriptorLayout = DescriptorLayout::Port(DISPOSITION);
}

impl<C: Carrier, const DISPOSITION: u32> Kind<C> for kind::Port<DISPOSITION> {
    type Value = Carried<C::Right>;

    fn put(value: Self::Value, message: &mut Message<C>) {
        message.push(Descriptor::Port(value));
    }

    fn get(descriptors: &mut Descriptors<C>) -> Result<Self::Value, KernReturn> {
        match descriptors.next()? {
            Descriptor::Port(carried) => {
                check::<C>(DISPOSITION, &carried)?;
                Ok(carried)
            }
            Descriptor::Memory(_) | Descriptor::Ports(_) => Err(KernReturn::MIG_TYPE_ERROR),
        }
    }
}

impl<const DISPOSITION: u32, const COUNT: usize> KindLayout
    for kind::PortArray<DISPOSITION, COUNT>
{
    const LAYOUT: DescriptorLayout = DescriptorLayout::PortArray(DISPOSITION, COUNT);
}

impl<C: Carrier, const DISPOSITION: u32, const COUNT: usize> Kind<C>
    for kind::PortArray<DISPOSITION, COUNT>
{
    type Value = Vec<Carried<C::Right>>;

    fn put(value: Self::Value, message: &mut Message<C>) {
        let mut rights = value.into_iter();
        for _ in 0..COUNT {
            message.push(Descriptor::Port(rights.next().unwrap_or_default()));
        }
    }

    fn get(descriptors: &mut Descriptors<C>) -> Result<Self::Value, KernReturn> {
        (0..COUNT)
            .map(|_| <kind::Port<DISPOSITION> as Kind<C>>::get(descriptors))
            .collect()
    }
}

impl KindLayout for kind::Memory {
    const LAYOUT: DescriptorLayout = DescriptorLayout::Memory;
}

impl<C: Carrier> Kind<C> for kind::Memory {
    type Value = Option<C::Memory>;

    fn put(value: Self::Value, message: &mut Message<C>) {
        message.push(Descriptor::Memory(value));
    }

    fn get(descriptors: &mut Descriptors<C>) -> Result<Self::Value, KernReturn> {
        match descriptors.next()? {
            Descriptor::Memory(memory) => Ok(memory),
            Descriptor::Port(_) | Descriptor::Ports(_) => Err(KernReturn::MIG_TYPE_ERROR),
        }
    }
}

impl<const DISPOSITION: u32> KindLayout for kind::Ports<DISPOSITION> {
    const LAYOUT: DescriptorLayout = DescriptorLayout::Ports(DISPOSITION);
}

impl<C: Carrier, const DISPOSITION: u32> Kind<C> for kind::Ports<DISPOSITION> {
    type Value = Option<C::Ports>;

    fn put(value: Self::Value, message: &mut Message<C>) {
        message.push(Descriptor::Ports(value));
    }

    fn get(descriptors: &mut Descriptors<C>) -> Result<Self::Value, KernReturn> {
        let Descriptor::Ports(ports) = descriptors.next()? else {
            return Err(KernReturn::MIG_TYPE_ERROR);
        };
        let matches = match (&ports, Disposition::from_raw(DISPOSITION)) {
            (Some(ports), Some(declared)) => {
                C::ports_disposition(ports).received() == declared.received()
            }
            _ => true,
        };
        if matches {
            Ok(ports)
        } else {
            Err(KernReturn::MIG_TYPE_ERROR)
        }
    }
}
