//! What runs, or has run and was not reported yet: [`Jobs`], pure.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use bsd_sys::wait::WaitStatus;

/// One job: the processes of a pipeline, or a subshell.
#[derive(Debug)]
pub struct Job {
    /// What `%N` and `[N]` name it.
    pub number: usize,
    /// Its process group; 0 if it is in the shell's.
    pub group: i32,
    /// Its processes, in the order of the pipeline, and what is known of each.
    processes: Vec<(i32, Option<WaitStatus>)>,
    /// The text it was made of.
    pub text: String,
    /// The change that was reported last.
    reported: State,
}

/// How a job is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// At least one process runs.
    Running,
    /// None runs, at least one is stopped.
    Stopped,
    /// All have ended; how the last one did.
    Done(WaitStatus),
}

impl Job {
    /// How it is.
    pub fn state(&self) -> State {
        let mut stopped = false;
        let mut last = WaitStatus::Exited(0);
        for (_, status) in &self.processes {
            match status {
                None => return State::Running,
                Some(WaitStatus::Stopped(_)) => stopped = true,
                Some(status) => last = *status,
            }
        }
        if stopped {
            State::Stopped
        } else {
            State::Done(last)
        }
    }

    /// The status that `$?` gets of it: that of its last process.
    pub fn status(&self) -> Option<WaitStatus> {
        self.processes.last().and_then(|(_, status)| *status)
    }

    /// It goes on: what was stopped runs.
    pub fn continued(&mut self) {
        for (_, status) in &mut self.processes {
            if matches!(status, Some(WaitStatus::Stopped(_))) {
                *status = None;
            }
        }
        self.reported = State::Running;
    }

    /// The line that tells how it is.
    pub fn line(&self) -> String {
        let state = match self.state() {
            State::Running => String::from("running"),
            State::Stopped => String::from("stopped"),
            State::Done(WaitStatus::Exited(0)) => String::from("done"),
            State::Done(status) => describe(status),
        };
        format!("[{}]  {state:<20} {}", self.number, self.text)
    }
}

/// How something ended, in words.
pub fn describe(status: WaitStatus) -> String {
    match status {
        WaitStatus::Exited(code) => format!("exit {code}"),
        WaitStatus::Signalled(signal) => format!("{}: {}", signal.text(), signal.number()),
        WaitStatus::Stopped(signal) => format!("stopped: {}", signal.text()),
    }
}

/// All jobs, by rising number.
#[derive(Debug, Default)]
pub struct Jobs {
    jobs: Vec<Job>,
}

impl Jobs {
    /// A job has started; its number.
    pub fn add(&mut self, group: i32, processes: &[i32], text: &str) -> usize {
        let number = self.jobs.last().map_or(1, |last| last.number + 1);
        self.jobs.push(Job {
            number,
            group,
            processes: processes.iter().map(|process| (*process, None)).collect(),
            text: text.into(),
            reported: State::Running,
        });
        number
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Job> {
        self.jobs.iter()
    }

    /// The job of this number.
    pub fn get_mut(&mut self, number: usize) -> Option<&mut Job> {
        self.jobs.iter_mut().find(|job| job.number == number)
    }

    /// The job that `%N`, `N` or nothing names: without a number the last one that is stopped, or the last one.
    pub fn named(&self, word: Option<&str>) -> Option<usize> {
        match word {
            Some(word) => {
                let number = word.strip_prefix('%').unwrap_or(word).parse().ok()?;
                self.jobs.iter().find(|job| job.number == number)
            }
            None => {
                let stopped = |job: &&Job| job.state() == State::Stopped;
                self.jobs.iter().rfind(stopped).or(self.jobs.last())
            }
        }
        .map(|job| job.number)
    }

    /// What `wait4` told of a process.
    pub fn note(&mut self, process: i32, status: WaitStatus) {
        for job in &mut self.jobs {
            for (pid, known) in &mut job.processes {
                if *pid == process {
                    *known = Some(status);
                }
            }
        }
    }

    /// Takes a job out.
    pub fn remove(&mut self, number: usize) -> Option<Job> {
        let at = self.jobs.iter().position(|job| job.number == number)?;
        Some(self.jobs.remove(at))
    }

    /// A line for each job that has ended or stopped since the last time; those that have ended are forgotten.
    pub fn report(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        for job in &mut self.jobs {
            let state = job.state();
            if state != job.reported {
                job.reported = state;
                lines.push(job.line());
            }
        }
        self.jobs
            .retain(|job| !matches!(job.state(), State::Done(_)));
        lines
    }

    /// A job was reported by other means: it runs on in the background or is stopped.
    pub fn reported(&mut self, number: usize) {
        if let Some(job) = self.get_mut(number) {
            job.reported = job.state();
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use bsd_sys::signal::Signal;

    #[test]
    fn a_job_is_done_when_its_last_process_is() {
        let mut jobs = Jobs::default();
        let number = jobs.add(10, &[10, 11], "a | b");
        assert_eq!((number, jobs.report().len()), (1, 0));
        jobs.note(11, WaitStatus::Exited(3));
        assert_eq!(jobs.get_mut(1).unwrap().state(), State::Running);
        jobs.note(10, WaitStatus::Signalled(Signal::KILL));
        assert_eq!(
            jobs.get_mut(1).unwrap().status(),
            Some(WaitStatus::Exited(3))
        );
        assert_eq!(jobs.report(), ["[1]  exit 3               a | b"]);
        assert!(jobs.iter().next().is_none());
    }

    #[test]
    fn a_stopped_job_is_told_once_and_goes_on() {
        let mut jobs = Jobs::default();
        jobs.add(5, &[5], "sleep 9 &");
        jobs.add(6, &[6], "cat");
        jobs.note(5, WaitStatus::Stopped(Signal::STOP));
        assert_eq!(jobs.report().len(), 1);
        assert!(jobs.report().is_empty());
        assert_eq!(jobs.named(None), Some(1));
        jobs.get_mut(1).unwrap().continued();
        assert_eq!(jobs.get_mut(1).unwrap().state(), State::Running);
        assert_eq!(jobs.named(None), Some(2));
        jobs.note(5, WaitStatus::Signalled(Signal::KILL));
        assert_eq!(jobs.report(), ["[1]  Killed: 9            sleep 9 &"]);
    }

    #[test]
    fn numbers_rise_and_name_jobs() {
        let mut jobs = Jobs::default();
        jobs.add(1, &[1], "a");
        jobs.add(2, &[2], "b");
        jobs.remove(1);
        assert_eq!(jobs.add(3, &[3], "c"), 3);
        assert_eq!(
            (jobs.named(Some("%2")), jobs.named(Some("1"))),
            (Some(2), None)
        );
    }
}
