//! `sleep SECONDS...`: waits.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

libsystem::main!(run);

use libsystem::time;
use tools::command::Command;
use tools::number;

const COMMAND: Command = Command::new(
    "sleep",
    "SECONDS...",
    "Waits for the sum of the times; a fraction is allowed.",
)
.words(1, usize::MAX);

fn run() -> i32 {
    COMMAND.run(|options| {
        let mut total = 0u64;
        for word in &options.words {
            match number::milliseconds(word) {
                Some(time) => total = total.saturating_add(time),
                None => return COMMAND.wrong(&""),
            }
        }
        let end = (time::now() / 1_000_000).saturating_add(total);
        // A signal ends one nap.
        while let rest @ 1.. = end.saturating_sub(time::now() / 1_000_000) {
            time::sleep(u32::try_from(rest).unwrap_or(u32::MAX));
        }
        0
    })
}
