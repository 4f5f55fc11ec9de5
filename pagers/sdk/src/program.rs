//! The program around a pager: [`pager_main!`](crate::pager_main).

use alloc::string::{String, ToString};
use core::fmt::Display;

use mach::KernReturn;

use crate::{Pager, Service};

/// Makes a program of a pager. The argument is what makes the pager of the program's arguments:
/// `fn(&[String]) -> Result<impl Pager, impl Display>`.
///
/// The program registers under its file's name; `--as NAME` as first arguments choose another.
#[macro_export]
macro_rules! pager_main {
    ($make:path) => {
        $crate::libsystem::main!(__pager_main);

        #[cfg_attr(test, allow(dead_code))]
        fn __pager_main() -> i32 {
            $crate::program::run($make)
        }
    };
}

/// What [`pager_main!`](crate::pager_main) runs; the exit status.
pub fn run<P: Pager, E: Display>(make: impl FnOnce(&[String]) -> Result<P, E>) -> i32 {
    let arguments = libsystem::env::args();
    let (name, rest) = name_and_rest(&arguments);
    let pager = match make(rest) {
        Ok(pager) => pager,
        Err(error) => {
            libsystem::eprintln!("{name}: {error}");
            return 1;
        }
    };
    let mut service = match Service::start(&name, pager) {
        Ok(service) => service,
        Err(KernReturn::NAME_EXISTS) => {
            libsystem::eprintln!("{name}: there is a pager of this name already");
            return 1;
        }
        Err(error) => {
            libsystem::eprintln!("{name}: cannot register: {error}");
            return 1;
        }
    };
    let code = service.serve();
    libsystem::eprintln!("{name}: receiving: {code}");
    1
}

/// The name to register under, and the pager's own arguments.
fn name_and_rest(arguments: &[String]) -> (String, &[String]) {
    if let [_, option, name, rest @ ..] = arguments
        && option == "--as"
    {
        return (name.clone(), rest);
    }
    let program = arguments.first().map_or("pager", String::as_str);
    let name = program.rsplit('/').next().unwrap_or(program);
    (name.to_string(), arguments.get(1..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> (String, usize) {
        let words: alloc::vec::Vec<String> = words.iter().map(|word| word.to_string()).collect();
        let (name, rest) = name_and_rest(&words);
        (name, rest.len())
    }

    #[test]
    fn the_name_is_the_programs_unless_another_is_given() {
        assert_eq!(parsed(&["/sbin/lz4", "x"]), ("lz4".into(), 1));
        assert_eq!(
            parsed(&["/sbin/lz4", "--as", "other", "x", "y"]),
            ("other".into(), 2)
        );
        assert_eq!(parsed(&["lz4", "--as"]), ("lz4".into(), 1));
    }
}
