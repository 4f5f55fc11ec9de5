//! Devices. Own interface, subsystem 2800 (Mach's number for devices): opening on the master device
//! port, everything else on the port that [`open`] gives.
//!
//! A disk reads and writes whole pages, whose frames travel as a page list too.
//!
//! A files device takes 9P messages. The T-message and the R-message's header travel inline; the data
//! of a read or write travels as a *page list*, a port that names frames: a read gives back a list of
//! frames that the device has filled (the tail of the last page is zero), which the caller forwards to
//! an object without ever mapping it; a write takes a list. Requests may be sent with a reply port and
//! answered in any order; the tag in the 9P header tells which.
//!
//! Counterpart: Mach 3's `device.defs`.

use super::prelude::*;

/// The most bytes of a 9P message inline.
pub const MESSAGE_BYTES: usize = 8192;
/// Longest name of a device, with its NUL.
pub const NAME_BYTES: usize = 64;

interface! {
    subsystem device = 2800;

    /// Opens a device by name, e.g. `files.root` (the 9P share with mount tag `root`), `console`,
    /// `random`.
    routine 2800 "device_open" open [] { mode: u32, name: CString<64> }
    -> [device: Port<MOVE_SEND>] {};

    /// Gives the device up; requests in flight complete.
    routine 2801 "device_close" close [] {} -> [] {};

    /// What the device is: words by flavour, see [`status_flavor`].
    routine 2802 "device_get_status" get_status [] { flavor: i32, status_cnt: u32 }
    -> [] { status: Array<u32, 32> };

    /// Submits a 9P T-message that has no bulk data, or whose answer's data (at most `data_length`
    /// bytes; 0: none) is wanted as a page list. In the reply the R-message has its header, and its
    /// data only if no page list was asked for.
    routine 2810 "device_request" request [] {
        data_length: u64, message: Array<u8, 8192>,
    } -> [pages: Port<MOVE_SEND>] {
        data_length: u64, message: Array<u8, 8192>,
    };

    /// Submits a 9P T-message whose data (`data_length` bytes from `list_offset` on) is in a page list.
    routine 2811 "device_request_write" request_write [pages: Port<COPY_SEND>] {
        list_offset: u64, data_length: u64, message: Array<u8, 8192>,
    } -> [] { message: Array<u8, 8192> };

    /// Reads whole pages of a disk (`disk.NAME`) into fresh frames; `offset` is a multiple of 512. `RESOURCE_SHORTAGE` when
    /// there are no frames or the device has as many requests as it takes: ask again later.
    routine 2812 "device_read_pages" read_pages [] { offset: u64, length: u64 }
    -> [pages: Port<MOVE_SEND>] {};

    /// Writes the frames of a page list, `length` bytes from `list_offset` on, to a disk.
    routine 2813 "device_write_pages" write_pages [pages: Port<COPY_SEND>] {
        list_offset: u64, offset: u64, length: u64,
    } -> [] {};

    /// Makes durable what was written before.
    routine 2814 "device_flush" flush [] {} -> [] {};

    /// The names of all devices, each ending in NUL.
    routine 2803 "device_list" list [] {} -> [] { names: Array<u8, 1024> };
}

/// Flavours of [`get_status`].
pub mod status_flavor {
    /// Two words: the most bytes of a message with its data, the most requests in flight.
    pub const LIMITS: i32 = 1;
    /// Of a disk, two words: the size in bytes, low half first.
    pub const CAPACITY: i32 = 2;
}
