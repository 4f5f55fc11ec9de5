//! Names for addresses, from the boot archive's member `kernel.symbols`.
//!
//! The member is text, one function per line in ascending order: sixteen hexadecimal digits, a
//! space, the name. It is looked up in the archive's memory (ustar) and searched linearly: a
//! panic has time, but nothing that allocates. Without the member addresses stay numbers.

/// The member's name.
const MEMBER: &str = "kernel.symbols";
const BLOCK: usize = 512;

/// The member's contents.
pub(crate) fn find(archive: &[u8]) -> Option<&str> {
    let mut rest = archive;
    while rest.len() >= BLOCK && rest[0] != 0 {
        let size = octal(&rest[124..136])?;
        let contents = rest.get(BLOCK..BLOCK.checked_add(size)?)?;
        let name = &rest[..100];
        let name = &name[..name.iter().position(|&byte| byte == 0).unwrap_or(100)];
        let name = name.strip_prefix(b"./").unwrap_or(name);
        if name == MEMBER.as_bytes() {
            return core::str::from_utf8(contents).ok();
        }
        rest = rest.get(BLOCK + size.div_ceil(BLOCK) * BLOCK..)?;
    }
    None
}

/// The function that holds `address`, and the offset in it.
pub(crate) fn lookup(symbols: &str, address: u64) -> Option<(&str, u64)> {
    let parse = |line: &'_ str| -> Option<u64> { u64::from_str_radix(line.get(..16)?, 16).ok() };
    let line = symbols
        .lines()
        .take_while(|line| parse(line).is_some_and(|start| start <= address))
        .last()?;
    Some((line.get(17..)?, address - parse(line)?))
}

fn octal(field: &[u8]) -> Option<usize> {
    let text = core::str::from_utf8(field).ok()?;
    usize::from_str_radix(text.trim_matches(|c| c == '\0' || c == ' '), 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, contents: &[u8]) -> Vec<u8> {
        let mut block = vec![0; BLOCK];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[124..136].copy_from_slice(format!("{:011o}\0", contents.len()).as_bytes());
        block.extend_from_slice(contents);
        block.resize(block.len().next_multiple_of(BLOCK), 0);
        block
    }

    #[test]
    fn the_member_is_found_behind_others() {
        let mut archive = member("sbin/init", &[7; 700]);
        archive.extend(member("kernel.symbols", b"text"));
        archive.extend([0; 1024]);
        assert_eq!(find(&archive), Some("text"));
        assert_eq!(find(&archive[..1536]), None);
        assert_eq!(find(&[]), None);
    }

    #[test]
    fn an_address_belongs_to_the_last_function_that_starts_before_it() {
        let symbols = "ffff000000001000 first\nffff000000002000 second\n";
        assert_eq!(
            lookup(symbols, 0xffff_0000_0000_1fff),
            Some(("first", 0xfff))
        );
        assert_eq!(lookup(symbols, 0xffff_0000_0000_2000), Some(("second", 0)));
        assert_eq!(lookup(symbols, 5), None);
    }
}
