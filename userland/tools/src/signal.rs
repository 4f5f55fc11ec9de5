//! Names of signals as people write them.

use bsd_sys::signal::{NSIG, Signal};

/// The name without `SIG`.
pub fn short_name(signal: Signal) -> &'static str {
    let name = signal.name();
    name.strip_prefix("SIG").unwrap_or(name)
}

/// What `TERM`, `SIGTERM`, `term` or `15` mean. `Some(None)` is 0, no signal at all; `None` is no signal's name.
#[allow(clippy::option_option)]
pub fn parse(text: &str) -> Option<Option<Signal>> {
    if let Ok(number) = text.parse::<i32>() {
        return match number {
            0 => Some(None),
            number => Signal::new(number).map(Some),
        };
    }
    let bare = match text.get(..3) {
        Some(prefix) if prefix.eq_ignore_ascii_case("SIG") => &text[3..],
        _ => text,
    };
    (1..NSIG)
        .filter_map(Signal::new)
        .find(|signal| short_name(*signal).eq_ignore_ascii_case(bare))
        .map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_numbers_and_names() {
        for text in ["9", "KILL", "SIGKILL", "kill", "sigKill"] {
            assert_eq!(parse(text), Some(Some(Signal::KILL)), "{text}");
        }
        assert_eq!(parse("0"), Some(None));
        for text in ["", "32", "-1", "SIG", "KILLED", "\u{e4}\u{e4}"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(short_name(Signal::HUP), "HUP");
    }
}
