//! The one error of `copyio`.

/// A copy to or from user memory met an address that could not be accessed.
///
/// The copy may be started again `done` bytes further once the page has been faulted in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UserFault {
    /// The user address of the failed access.
    pub address: u64,
    /// How many bytes were copied for certain.
    pub done: usize,
}

/// Checks that `[user, user + length)` is user space, so that a kernel address given by a program
/// is refused before any access.
pub(crate) fn check_range(user: u64, length: usize) -> Result<(), UserFault> {
    match user.checked_add(length as u64) {
        Some(end) if end <= crate::address::USER_MAX => Ok(()),
        _ => Err(UserFault {
            address: user,
            done: 0,
        }),
    }
}
