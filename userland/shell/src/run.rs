//! Running jobs: [`Shell`].
//!
//! Every pipeline is a process group of its own. Where the shell controls the terminal, the group in the foreground has it, so that
//! keys like control-C mean the job and not the shell.

use crate::builtin;
use crate::expand::{self, Values};
use crate::history::History;
use crate::jobs::{self, Jobs, State};
use crate::parse::{self, Command, Ground, Job, Parameter, Pipeline, Redirection, Target, When};
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use bsd_sys::fcntl::OpenFlags;
use bsd_sys::signal::{ActionFlags, Signal};
use bsd_sys::wait::{WNOHANG, WUNTRACED, WaitStatus};
use libsystem::io::{self, Result};
use libsystem::process::{self, Fork};
use libsystem::signal::{Disposition, set_action};
use libsystem::{Errno, descriptor, env, eprintln, fs, terminal};

/// Descriptors from here on are the shell's own.
const OWN_DESCRIPTORS: i32 = 10;

/// Permissions of files that redirections make, before the process's mask.
const FILE_MODE: u32 = 0o666;

/// A variable.
#[derive(Debug, Default)]
struct Variable {
    value: String,
    /// Programs get it too.
    exported: bool,
}

/// Whether the terminal is this shell's to give away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum JobControl {
    /// Jobs in the foreground get it.
    Own,
    /// It is somebody else's, or there is none.
    None,
}

/// Says what the signals do that come from keys, or from using a terminal that somebody else has.
fn set_keys(disposition: Disposition) {
    for signal in [
        Signal::INT,
        Signal::QUIT,
        Signal::TSTP,
        Signal::TTIN,
        Signal::TTOU,
    ] {
        // All of them can be caught.
        let _ = set_action(signal, disposition, ActionFlags::empty(), 0);
    }
}

/// What the shell remembers between commands.
#[derive(Debug)]
pub struct Shell {
    /// Status of the last command, `$?`.
    pub status: i32,
    /// Set by `exit`.
    pub finished: bool,
    /// Lines that were typed.
    pub history: History,
    /// What runs in the background.
    pub jobs: Jobs,
    /// `$0` and what follows.
    arguments: Vec<String>,
    variables: BTreeMap<String, Variable>,
    /// `$!`.
    last_background: Option<i32>,
    job_control: JobControl,
    /// The group that has the terminal while no job has it.
    group: i32,
    /// Signals of keys are ignored.
    ignores_keys: bool,
    /// `$$`, in the shell's children too.
    process: i32,
}

impl Shell {
    /// A shell with these arguments, its name first, and the environment's variables.
    pub fn new(arguments: Vec<String>, job_control: JobControl) -> Self {
        let mut variables = BTreeMap::new();
        for entry in env::environment() {
            if let Some((name, value)) = entry.split_once('=') {
                let value = value.to_string();
                variables.insert(
                    name.to_string(),
                    Variable {
                        value,
                        exported: true,
                    },
                );
            }
        }
        Self {
            status: 0,
            finished: false,
            history: History::default(),
            jobs: Jobs::default(),
            arguments,
            variables,
            last_background: None,
            job_control,
            group: process::group(),
            ignores_keys: false,
            process: process::id(),
        }
    }

    /// Runs the commands of a text; nothing of it if it makes no sense.
    pub fn text(&mut self, text: &str) {
        let jobs = match parse::parse(text) {
            Ok(jobs) => jobs,
            Err(error) => {
                eprintln!("sh: {error}");
                self.status = 2;
                return;
            }
        };
        for job in &jobs {
            if self.finished {
                return;
            }
            match job.ground {
                Ground::Fore => self.steps(job),
                Ground::Back => self.in_background(job),
            }
        }
    }

    fn steps(&mut self, job: &Job) {
        for (when, pipeline) in &job.steps {
            let runs = match when {
                When::Always => true,
                When::Success => self.status == 0,
                When::Failure => self.status != 0,
            };
            if runs && !self.finished {
                self.status = self.pipeline(pipeline, &job.text);
            }
        }
    }

    /// Runs a pipeline and waits for it.
    fn pipeline(&mut self, pipeline: &Pipeline, text: &str) -> i32 {
        let status = match self.in_this_process(pipeline) {
            Some(status) => status,
            None => self.in_foreground(pipeline, text),
        };
        if pipeline.inverted {
            i32::from(status == 0)
        } else {
            status
        }
    }

    /// A single command that is the shell's own, or only sets variables or redirects.
    fn in_this_process(&mut self, pipeline: &Pipeline) -> Option<i32> {
        let [command] = &pipeline.commands[..] else {
            return None;
        };
        let words = self.words(command);
        if words.first().is_some_and(|name| !builtin::is_builtin(name)) {
            return None;
        }
        let keeps_descriptors = words.first().is_some_and(|name| name == "exec");
        let mut saved = Saved::default();
        if let Err(error) = self.redirect(&command.redirections, Some(&mut saved)) {
            saved.restore();
            eprintln!("sh: {error}");
            return Some(1);
        }
        let status = if words.is_empty() {
            self.assign(command);
            // `$(...)` is not there, so nothing that a value is made of can fail.
            0
        } else {
            builtin::run(self, &words).unwrap_or(127)
        };
        if keeps_descriptors && status == 0 {
            saved.forget();
        } else {
            saved.restore();
        }
        Some(status)
    }

    fn in_foreground(&mut self, pipeline: &Pipeline, text: &str) -> i32 {
        match self.launch(pipeline, Ground::Fore) {
            Ok(started) => {
                let number = self.jobs.add(started.group, &started.processes, text);
                self.wait_in_foreground(number)
            }
            Err(error) => {
                eprintln!("sh: {error}");
                126
            }
        }
    }

    fn in_background(&mut self, job: &Job) {
        let started = match &job.steps[..] {
            [(_, pipeline)] if !pipeline.inverted => self.launch(pipeline, Ground::Back),
            _ => self.subshell(job),
        };
        match started {
            Ok(started) => {
                let last = started.processes.last().copied();
                let number = self.jobs.add(started.group, &started.processes, &job.text);
                self.last_background = last;
                if self.job_control == JobControl::Own {
                    eprintln!("[{number}] {}", last.unwrap_or(0));
                }
                self.status = 0;
            }
            Err(error) => {
                eprintln!("sh: {error}");
                self.status = 126;
            }
        }
    }

    /// Runs the steps of a job in a shell of their own.
    fn subshell(&mut self, job: &Job) -> Result<Started> {
        let mut started = Started::default();
        match process::fork()? {
            Fork::Parent(child) => started.joined(child, self.job_control, Ground::Back),
            Fork::Child => {
                self.become_child(0, Ground::Back);
                self.steps(job);
                process::exit(self.status)
            }
        }
        Ok(started)
    }

    /// Starts every command of a pipeline.
    fn launch(&mut self, pipeline: &Pipeline, ground: Ground) -> Result<Started> {
        let mut started = Started::default();
        let mut input = None;
        let last = pipeline.commands.len() - 1;
        for (index, command) in pipeline.commands.iter().enumerate() {
            let next = if index < last {
                Some(own_pipe()?)
            } else {
                None
            };
            let output = next.map(|(_, output)| output);
            match process::fork() {
                Ok(Fork::Parent(child)) => started.joined(child, self.job_control, ground),
                Ok(Fork::Child) => {
                    self.become_child(started.group, ground);
                    self.child(command, input, output)
                }
                Err(error) if started.processes.is_empty() => return Err(error),
                Err(error) => eprintln!("sh: {error}"),
            }
            for end in [input, output].into_iter().flatten() {
                // Both are ours and open.
                let _ = descriptor::close(end);
            }
            input = next.map(|(input, _)| input);
        }
        Ok(started)
    }

    /// From now on keys mean jobs and not the shell: their signals are ignored here, and as ever in children.
    pub fn ignore_keys(&mut self) {
        if self.job_control == JobControl::Own {
            set_keys(Disposition::Ignore);
            self.ignores_keys = true;
        }
    }

    /// The side of a fork that runs a command: it joins its job's group.
    fn become_child(&mut self, group: i32, ground: Ground) {
        if self.job_control == JobControl::Own {
            let _ = process::set_group(0, group);
            if ground == Ground::Fore {
                let _ = terminal::set_foreground(io::STDIN, process::group());
            }
        }
        if core::mem::take(&mut self.ignores_keys) {
            set_keys(Disposition::Default);
        }
        self.job_control = JobControl::None;
        self.jobs = Jobs::default();
    }

    /// Becomes the command, between these ends of pipes.
    fn child(&mut self, command: &Command, input: Option<i32>, output: Option<i32>) -> ! {
        let connected = input
            .map_or(Ok(()), |end| descriptor::duplicate_to(end, io::STDIN))
            .and_then(|()| output.map_or(Ok(()), |end| descriptor::duplicate_to(end, io::STDOUT)))
            .map_err(|error| error.to_string())
            .and_then(|()| self.redirect(&command.redirections, None));
        if let Err(error) = connected {
            eprintln!("sh: {error}");
            process::exit(1)
        }
        let words = self.words(command);
        self.assign(command);
        for (name, _) in &command.assignments {
            self.export(name, None);
        }
        let Some(name) = words.first() else {
            process::exit(0)
        };
        if let Some(status) = builtin::run(self, &words) {
            process::exit(status)
        }
        let Some(path) = process::find_program(name) else {
            eprintln!("sh: {name}: not found; `help` lists the commands");
            process::exit(127)
        };
        let error = process::exec_with(&path, &words, &self.environment());
        eprintln!("sh: {name}: {error}");
        process::exit(if error == Errno::ENOENT { 127 } else { 126 })
    }

    fn words(&self, command: &Command) -> Vec<String> {
        let fields = |word| expand::fields(word, self);
        command.words.iter().flat_map(fields).collect()
    }

    fn assign(&mut self, command: &Command) {
        for (name, word) in &command.assignments {
            let value = expand::single(word, self);
            self.variables.entry(name.clone()).or_default().value = value;
        }
    }

    /// Carries redirections out, one after the other.
    fn redirect(
        &self,
        redirections: &[Redirection],
        mut saved: Option<&mut Saved>,
    ) -> core::result::Result<(), String> {
        for Redirection { descriptor, target } in redirections {
            if let Some(saved) = saved.as_deref_mut() {
                saved.save(*descriptor);
            }
            let opened = |word, flags| {
                let path = expand::single(word, self);
                let file = fs::File::open_with(&path, flags, FILE_MODE)
                    .map_err(|error| alloc::format!("{path}: {error}"))?;
                change(&file, *descriptor).map_err(|error| alloc::format!("{path}: {error}"))
            };
            let made = OpenFlags::WRONLY | OpenFlags::CREAT;
            match target {
                Target::Read(word) => opened(word, OpenFlags::RDONLY)?,
                Target::Write(word) => opened(word, made | OpenFlags::TRUNC)?,
                Target::Append(word) => opened(word, made | OpenFlags::APPEND)?,
                Target::ReadWrite(word) => opened(word, OpenFlags::RDWR | OpenFlags::CREAT)?,
                Target::Same(other) => descriptor::duplicate_to(*other, *descriptor)
                    .map_err(|error| alloc::format!("{other}: {error}"))?,
                Target::Closed => {
                    // One that is not open is closed already.
                    let _ = descriptor::close(*descriptor);
                }
            }
        }
        Ok(())
    }

    /// Gives the terminal to a job, if it is this shell's to give.
    pub fn give_terminal(&self, group: i32) {
        if self.job_control == JobControl::Own {
            let _ = terminal::set_foreground(io::STDIN, group);
        }
    }

    /// Waits until a job in the foreground has ended or stopped; its status.
    pub fn wait_in_foreground(&mut self, number: usize) -> i32 {
        let status = self.wait_for_job(number);
        self.give_terminal(self.group);
        let stopped = self.jobs.get_mut(number).map(|job| job.line());
        if let Some(line) = stopped {
            eprintln!("{line}");
            self.jobs.reported(number);
        }
        status
    }

    /// Waits until a job has ended or stopped; its status. One that has ended is forgotten.
    pub fn wait_for_job(&mut self, number: usize) -> i32 {
        loop {
            let Some(job) = self.jobs.get_mut(number) else {
                return 127;
            };
            match job.state() {
                State::Running => {}
                State::Stopped => return 128 + Signal::STOP.number(),
                State::Done(_) => break,
            }
            match process::wait(-1, WUNTRACED) {
                Ok(Some((process, status))) => self.jobs.note(process, status),
                Ok(None) => {}
                Err(error) => {
                    eprintln!("sh: waiting: {error}");
                    return 127;
                }
            }
        }
        let ended = self.jobs.remove(number);
        let status = ended.as_ref().and_then(jobs::Job::status);
        let status = status.unwrap_or(WaitStatus::Exited(0));
        if let (Some(job), WaitStatus::Signalled(signal)) = (&ended, status)
            && !matches!(signal, Signal::INT | Signal::PIPE)
        {
            eprintln!("{}: {}", job.text, jobs::describe(status));
        }
        status.shell_status()
    }

    /// Takes notice of what has ended or stopped, without waiting.
    pub fn reap(&mut self) {
        while let Ok(Some((process, status))) = process::wait(-1, WNOHANG | WUNTRACED) {
            self.jobs.note(process, status);
        }
    }

    /// Tells what has become of jobs in the background.
    pub fn report_jobs(&mut self) {
        self.reap();
        for line in self.jobs.report() {
            eprintln!("{line}");
        }
    }

    /// The value of a variable.
    pub fn variable(&self, name: &str) -> Option<String> {
        self.variables
            .get(name)
            .map(|variable| variable.value.clone())
    }

    /// All variables and their values.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables
            .iter()
            .map(|(name, variable)| (name.as_str(), variable.value.as_str()))
    }

    /// Gives a variable to programs, with a new value if there is one.
    pub fn export(&mut self, name: &str, value: Option<&str>) {
        let variable = self.variables.entry(name.into()).or_default();
        variable.exported = true;
        if let Some(value) = value {
            variable.value = value.into();
        }
    }

    /// Forgets a variable.
    pub fn unset(&mut self, name: &str) {
        self.variables.remove(name);
    }

    /// What programs get.
    pub fn environment(&self) -> Vec<String> {
        let exported = |(name, variable): (&String, &Variable)| {
            let entry = alloc::format!("{name}={}", variable.value);
            variable.exported.then_some(entry)
        };
        self.variables.iter().filter_map(exported).collect()
    }
}

impl Values for Shell {
    fn value(&self, parameter: &Parameter) -> Option<String> {
        match parameter {
            Parameter::Status => Some(self.status.to_string()),
            Parameter::Process => Some(self.process.to_string()),
            Parameter::Background => self.last_background.map(|process| process.to_string()),
            Parameter::Count => Some(self.arguments.len().saturating_sub(1).to_string()),
            Parameter::All => self.arguments.get(1..).map(|arguments| arguments.join(" ")),
            Parameter::Argument(number) => self.arguments.get(*number).cloned(),
            Parameter::Variable(name) => self.variable(name),
        }
    }

    fn names(&self, directory: &str) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap_or_default();
        entries.into_iter().map(|entry| entry.name).collect()
    }
}

/// What was started.
#[derive(Default)]
struct Started {
    /// The process group: the first process's number.
    group: i32,
    processes: Vec<i32>,
}

impl Started {
    /// A process of this job runs. Its group is set on both sides of the fork, so that it is done whoever runs first.
    fn joined(&mut self, child: i32, job_control: JobControl, ground: Ground) {
        if self.group == 0 {
            self.group = child;
        }
        self.processes.push(child);
        if job_control == JobControl::Own {
            let _ = process::set_group(child, self.group);
            if ground == Ground::Fore {
                let _ = terminal::set_foreground(io::STDIN, self.group);
            }
        }
    }
}

/// Descriptors as they were before a redirection of the shell itself.
#[derive(Default)]
struct Saved {
    /// The descriptor, and its copy if it was open.
    copies: Vec<(i32, Option<i32>)>,
}

impl Saved {
    fn save(&mut self, descriptor: i32) {
        if self.copies.iter().all(|(known, _)| *known != descriptor) {
            let copy = descriptor::duplicate_above(descriptor, OWN_DESCRIPTORS).ok();
            self.copies.push((descriptor, copy));
        }
    }

    fn restore(self) {
        for (descriptor, copy) in self.copies {
            // Fails only for descriptors that are closed already.
            let _ = match copy {
                Some(copy) => descriptor::duplicate_to(copy, descriptor)
                    .and_then(|()| descriptor::close(copy)),
                None => descriptor::close(descriptor),
            };
        }
    }

    /// The redirections stay.
    fn forget(self) {
        for copy in self.copies.into_iter().filter_map(|(_, copy)| copy) {
            let _ = descriptor::close(copy);
        }
    }
}

/// Makes a descriptor the same as a file's.
fn change(file: &fs::File, to: i32) -> Result<()> {
    descriptor::duplicate_to(file.descriptor(), to)
}

/// A pipe whose ends no program inherits by accident.
fn own_pipe() -> Result<(i32, i32)> {
    let (input, output) = descriptor::pipe()?;
    for end in [input, output] {
        descriptor::set_close_on_exec(end, true)?;
    }
    Ok((input, output))
}
