//! Linux error numbers, as `Rlerror` carries them, in Darwin's numbering.

use bsd_sys::errno::Errno;

/// The Darwin error for a Linux one. An unknown number becomes [`Errno::EIO`].
///
/// Numbers up to 34 agree but for `EAGAIN`; above that nothing does.
#[must_use]
pub fn from_linux(linux: u32) -> Errno {
    match linux {
        11 => Errno::EAGAIN,
        1..=34 => Errno::from_raw(linux as i32),
        36 => Errno::ENAMETOOLONG,
        38 => Errno::ENOSYS,
        39 => Errno::ENOTEMPTY,
        40 => Errno::ELOOP,
        61 => Errno::ENODATA,
        75 => Errno::EOVERFLOW,
        95 => Errno::ENOTSUP,
        110 => Errno::ETIMEDOUT,
        116 => Errno::ESTALE,
        122 => Errno::EDQUOT,
        _ => Errno::EIO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_differ_are_translated() {
        assert_eq!(from_linux(2), Errno::ENOENT);
        assert_eq!(from_linux(11), Errno::EAGAIN);
        assert_eq!(from_linux(39), Errno::ENOTEMPTY);
        assert_eq!(from_linux(40), Errno::ELOOP);
        assert_eq!(from_linux(4096), Errno::EIO);
    }
}
