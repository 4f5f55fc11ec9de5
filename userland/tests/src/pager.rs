//! Pagers started for a test, and ended with it: a program of `/sbin`, or one that the test itself brings.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use bsd_sys::signal::Signal;
use libsystem::{fs, process};
use pager_sdk::{Attributes, Pager, Service};

use crate::{Context as _, Outcome, child, ensure};

/// How long a pager may take until it shows, in milliseconds.
const PATIENCE: u64 = 20_000;

/// A pager at work.
#[derive(Debug)]
pub struct Started {
    /// Its process.
    pub child: i32,
    name: String,
}

impl Started {
    /// Starts `/sbin/PROGRAM` with these arguments, under a name of this process's own.
    ///
    /// # Errors
    /// It does not start, or does not register.
    pub fn start(program: &str, arguments: &[&str]) -> Result<Self, String> {
        let path = format!("/sbin/{program}");
        let name = own_name(program);
        let mut words: Vec<&str> = alloc::vec![&path, "--as", &name];
        words.extend_from_slice(arguments);
        let child = process::spawn(&path, &words).context("spawn")?;
        Self::of(child, name)
    }

    /// Serves what `make` makes from a child of this process, under a name of this process's own.
    ///
    /// # Errors
    /// As [`Started::start`].
    pub fn serve<P: Pager>(name: &str, make: impl FnOnce() -> P) -> Result<Self, String> {
        Self::serve_as(&own_name(name), Attributes::default(), make)
    }

    /// As [`Started::serve`], under exactly this name.
    ///
    /// # Errors
    /// As [`Started::start`].
    pub fn serve_as<P: Pager>(
        name: &str,
        attributes: Attributes,
        make: impl FnOnce() -> P,
    ) -> Result<Self, String> {
        let child = child::start(|| match Service::start(name, make()) {
            Ok(mut service) => {
                service.set_attributes(attributes);
                service.serve();
                2
            }
            Err(_) => 3,
        })?;
        Self::of(child, name.into())
    }

    fn of(child: i32, name: String) -> Result<Self, String> {
        let started = Self { child, name };
        let shows = || fs::stat(&started.path("")).is_ok();
        ensure!(
            child::eventually(PATIENCE, shows),
            "{} does not appear",
            started.name
        );
        Ok(started)
    }

    /// The path of what the pager calls `below`.
    #[must_use]
    pub fn path(&self, below: &str) -> String {
        format!("/pagers/{}/{below}", self.name)
    }

    /// The name it has registered under.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Kills it.
    ///
    /// # Errors
    /// It is gone already, or does not end.
    pub fn kill(&self) -> Outcome {
        process::kill(self.child, Signal::KILL).context("kill")?;
        child::finish(self.child, PATIENCE).map(drop)
    }
}

/// Tests run in processes of their own, so names do not meet.
#[must_use]
pub fn own_name(name: &str) -> String {
    format!("{name}-{}", process::id())
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = process::kill(self.child, Signal::KILL);
    }
}
