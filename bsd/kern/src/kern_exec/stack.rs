//! The first stack of a program: a reservation that fills lazily, with a guard below, and the strings on top.
//!
//! [`layout`] is pure: it computes the bytes and the stack pointer; [`build`] maps the stack and writes them.
//! XNU counterpart: `create_unix_stack`, `exec_copyout_strings`.

use alloc::vec::Vec;

use bsd_sys::errno::Errno;
use mach::VmProt;
use vm::vm_map::{EnterRequest, Placement, VmMap};

use super::{Arguments, stack_bottom, stack_top};

/// Bytes of the main thread's stack (`DFLSSIZ`).
pub(super) const STACK_SIZE: u64 = 8 << 20;

/// Pages below the stack that are reserved without access.
const GUARD_PAGES: u64 = 1;

/// Bytes of the guard.
pub(super) fn guard_size(map: &VmMap) -> u64 {
    GUARD_PAGES * map.page_size()
}

/// `VM_MEMORY_STACK`.
const STACK_TAG: u8 = 30;

/// `VM_MEMORY_GUARD`.
const GUARD_TAG: u8 = 31;

/// Maps the stack of a new program and puts its arguments there; the stack pointer.
///
/// # Errors
/// `ENOMEM`, `E2BIG`.
pub(super) fn build(map: &VmMap, path: &str, arguments: &Arguments) -> Result<u64, Errno> {
    let (bottom, top) = (stack_bottom(map), stack_top(map));
    let stack = EnterRequest {
        user_tag: STACK_TAG,
        ..EnterRequest::anonymous(Placement::Fixed(bottom), STACK_SIZE)
    };
    map.enter(stack).map_err(|_| Errno::ENOMEM)?;
    let guard_size = guard_size(map);
    let guard = EnterRequest::anonymous(Placement::Fixed(bottom - guard_size), guard_size);
    let guard = EnterRequest {
        user_tag: GUARD_TAG,
        ..guard.protected(VmProt::NONE, VmProt::NONE)
    };
    map.enter(guard).map_err(|_| Errno::ENOMEM)?;
    let (bytes, sp) = layout(top, path, arguments);
    if bytes.len() as u64 > STACK_SIZE / 2 {
        return Err(Errno::E2BIG);
    }
    map.write_bytes(sp, &bytes).map_err(|_| Errno::ENOMEM)?;
    Ok(sp)
}

/// The bytes from the stack pointer to `top`, and the stack pointer, a multiple of 16.
pub(super) fn layout(top: u64, path: &str, arguments: &Arguments) -> (Vec<u8>, u64) {
    let mut executable = b"executable_path=".to_vec();
    executable.extend_from_slice(path.as_bytes());
    let apple = [executable];
    let lists = [
        &arguments.arguments[..],
        &arguments.environment[..],
        &apple[..],
    ];
    let strings: u64 = lists
        .iter()
        .flat_map(|list| list.iter())
        .map(|string| string.len() as u64 + 1)
        .sum();
    let words = 1 + lists.iter().map(|list| list.len() as u64 + 1).sum::<u64>();
    let sp = (top - strings - 8 * words) & !15;
    let mut string_address = top - strings;
    let mut out = Vec::new();
    out.extend_from_slice(&(arguments.arguments.len() as u64).to_le_bytes());
    for list in lists {
        for string in list {
            out.extend_from_slice(&string_address.to_le_bytes());
            string_address += string.len() as u64 + 1;
        }
        out.extend_from_slice(&0u64.to_le_bytes());
    }
    // What aligning the stack pointer left free lies between the pointers and the strings.
    out.resize((top - strings - sp) as usize, 0);
    for string in lists.iter().flat_map(|list| list.iter()) {
        out.extend_from_slice(string);
        out.push(0);
    }
    (out, sp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn a_program_finds_its_arguments_where_darwin_puts_them() {
        let arguments = Arguments {
            arguments: vec![b"ls".to_vec(), b"-l".to_vec()],
            environment: vec![b"A=b".to_vec()],
        };
        let top = 0x1_0000;
        let (bytes, sp) = layout(top, "/bin/ls", &arguments);
        assert_eq!(sp % 16, 0);
        assert_eq!(sp + bytes.len() as u64, top);
        let word =
            |index: usize| u64::from_le_bytes(bytes[8 * index..8 * index + 8].try_into().unwrap());
        let string = |address: u64| {
            let rest = &bytes[(address - sp) as usize..];
            &rest[..rest.iter().position(|&byte| byte == 0).unwrap()]
        };
        assert_eq!(word(0), 2);
        assert_eq!(
            (string(word(1)), string(word(2)), word(3)),
            (&b"ls"[..], &b"-l"[..], 0)
        );
        assert_eq!((string(word(4)), word(5)), (&b"A=b"[..], 0));
        assert_eq!(
            (string(word(6)), word(7)),
            (&b"executable_path=/bin/ls"[..], 0)
        );
    }
}
