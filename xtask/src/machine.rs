//! The machine QEMU emulates: its options, and the command line they make.
//!
//! The guest's side of this agreement (bootargs, devices, exit status) is written in `docs/testing.md`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use clap::ValueEnum;

use crate::process;

/// The most processors the kernel handles.
pub(crate) const MAX_CPUS: u32 = 8;

/// The translation granule the kernel is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum)]
pub(crate) enum PageSize {
    /// 16 KiB, as on Apple silicon.
    #[value(name = "16k")]
    Size16K,
    /// 4 KiB.
    #[value(name = "4k")]
    Size4K,
}

impl PageSize {
    /// Both, in the order they are built and tested in.
    pub(crate) const BOTH: [Self; 2] = [Self::Size16K, Self::Size4K];

    /// `16k`, `4k`: on command lines, in tables and in file names.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Size16K => "16k",
            Self::Size4K => "4k",
        }
    }

    /// What selects it in a build: a feature of the crate `machine`.
    pub(crate) fn feature(self) -> Option<&'static str> {
        match self {
            Self::Size16K => None,
            Self::Size4K => Some("machine/page-4k"),
        }
    }
}

/// The version of the interrupt controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Gic {
    /// GICv2, memory-mapped.
    #[value(name = "2")]
    V2,
    /// GICv3, system registers.
    #[value(name = "3")]
    V3,
}

/// An amount of memory as QEMU takes it: `512M`, `1G`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Memory(String);

impl FromStr for Memory {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.trim_end_matches(['M', 'G', 'm', 'g']);
        let well_formed =
            text.len() - digits.len() == 1 && digits.parse::<u32>().is_ok_and(|n| n > 0);
        if well_formed {
            Ok(Self(text.to_ascii_uppercase()))
        } else {
            Err("a number with M or G behind it is expected, such as 512M or 2G".to_owned())
        }
    }
}

impl Memory {
    /// In bytes.
    pub(crate) fn bytes(&self) -> u64 {
        let (digits, unit) = self.0.split_at(self.0.len() - 1);
        let shift = if unit == "G" { 30 } else { 20 };
        digits.parse::<u64>().unwrap_or(0) << shift
    }
}

/// How large the guest's swap disk is: `2G`, or `none` for no disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SwapSize(pub(crate) Option<Memory>);

impl FromStr for SwapSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" | "0" => Ok(Self(None)),
            text => text.parse().map(|size| Self(Some(size))),
        }
    }
}

/// The swap disk of one boot: a sparse file that goes with the value.
#[derive(Debug)]
pub(crate) struct SwapDisk(tempfile::NamedTempFile);

impl SwapDisk {
    /// A disk of zeros in `directory`; nothing for the size `none`.
    pub(crate) fn create(size: &SwapSize, directory: &Path) -> std::io::Result<Option<Self>> {
        let Some(size) = &size.0 else { return Ok(None) };
        let file = tempfile::Builder::new()
            .prefix("swap-")
            .tempfile_in(directory)?;
        file.as_file().set_len(size.bytes())?;
        Ok(Some(Self(file)))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().to_owned()
    }
}

/// A directory of the host's that the guest sees as `/share`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Share {
    /// Which directory.
    pub(crate) directory: PathBuf,
    /// Whether the guest may not change it.
    pub(crate) read_only: bool,
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (directory, read_only) = match text.strip_suffix(":ro") {
            Some(directory) => (directory, true),
            None => (text, false),
        };
        let directory = Path::new(directory)
            .canonicalize()
            .map_err(|error| format!("{directory}: {error}"))?;
        if !directory.is_dir() {
            return Err(format!("{} is not a directory", directory.display()));
        }
        Ok(Self {
            directory,
            read_only,
        })
    }
}

/// Where the guest's serial line goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Console {
    /// To the user's terminal, with QEMU's monitor behind Ctrl-A C; a copy goes to a file.
    Terminal {
        /// The copy.
        log: PathBuf,
    },
    /// To QEMU's standard output, and nothing comes in.
    Output,
}

/// The files a boot needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BootFiles {
    /// The kernel with its symbols.
    pub(crate) kernel: PathBuf,
    /// The flat kernel image.
    pub(crate) image: PathBuf,
    /// The boot archive.
    pub(crate) archive: PathBuf,
    /// The directory the guest has as its root.
    pub(crate) root: PathBuf,
}

/// A machine, ready to be started.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    /// Number of processors.
    pub(crate) cpus: u32,
    /// RAM.
    pub(crate) memory: Memory,
    /// QEMU's name of the processor model.
    pub(crate) cpu: String,
    /// Interrupt controller.
    pub(crate) gic: Gic,
    /// The directory to share, if any.
    pub(crate) share: Option<Share>,
    /// The file that is the guest's swap disk, if it has one.
    pub(crate) swap: Option<PathBuf>,
    /// Whether the guest may not change its root directory.
    pub(crate) root_read_only: bool,
    /// Words for the kernel.
    pub(crate) bootargs: Vec<String>,
    /// Where the serial line goes.
    pub(crate) console: Console,
    /// A socket on which QEMU's monitor listens.
    pub(crate) monitor: Option<PathBuf>,
    /// Wait for a debugger on port 1234 before the first instruction.
    pub(crate) gdb: bool,
    /// Count instructions instead of time: one processor, the same run every time.
    pub(crate) icount: bool,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            cpus: 2,
            memory: Memory("1G".to_owned()),
            cpu: "max".to_owned(),
            gic: Gic::V3,
            share: None,
            swap: None,
            root_read_only: false,
            bootargs: Vec::new(),
            console: Console::Output,
            monitor: None,
            gdb: false,
            icount: false,
        }
    }
}

impl Machine {
    /// Makes the guest run one command line and power off with its status. The line is hex-encoded, because
    /// boot arguments are words between blanks.
    pub(crate) fn run_command(&mut self, command: &str) {
        let hex: String = command.bytes().map(|byte| format!("{byte:02x}")).collect();
        self.bootargs.push(format!("run={hex}"));
    }

    /// QEMU with this machine, ready to be spawned.
    pub(crate) fn command(&self, qemu: &Path, files: &BootFiles) -> Command {
        let mut command = Command::new(qemu);
        command.args(self.arguments(files));
        command
    }

    fn arguments(&self, files: &BootFiles) -> Vec<OsString> {
        let mut arguments = Arguments::default();
        let gic = match self.gic {
            Gic::V2 => "2",
            Gic::V3 => "3",
        };
        // A machine that counts instructions is the same one at every start.
        let seed = if self.icount {
            ",dtb-randomness=off"
        } else {
            ""
        };
        arguments.option("-machine", format!("virt,gic-version={gic}{seed}"));
        arguments.option("-cpu", &self.cpu);
        arguments.option("-smp", self.cpus.to_string());
        arguments.option("-m", &self.memory.0);
        arguments.option("-nic", "none");
        arguments.option("-display", "none");
        self.add_console(&mut arguments);
        arguments.option("-kernel", &files.image);
        arguments.option("-initrd", &files.archive);
        if !self.bootargs.is_empty() {
            arguments.option("-append", self.bootargs.join(" "));
        }
        // The guest ends QEMU with its exit status by semihosting.
        arguments.option("-semihosting-config", "enable=on,target=native");
        arguments.option("-global", "virtio-mmio.force-legacy=false");
        arguments.directory("root", &files.root, self.root_read_only);
        if let Some(share) = &self.share {
            arguments.directory("share", &share.directory, share.read_only);
        }
        if let Some(swap) = &self.swap {
            arguments.swap(swap);
        }
        if self.icount {
            arguments.option("-icount", "shift=0,sleep=off");
            arguments.option("-rtc", "base=2024-01-01T00:00:00,clock=vm");
            arguments.option("-seed", "1");
            arguments.option("-object", "rng-builtin,id=random");
            arguments.option("-device", "virtio-rng-device,rng=random");
        } else {
            arguments.option("-device", "virtio-rng-device");
        }
        if self.gdb {
            arguments.0.extend(["-s".into(), "-S".into()]);
        }
        arguments.0
    }

    fn add_console(&self, arguments: &mut Arguments) {
        match &self.console {
            Console::Output => {
                arguments.option("-serial", "stdio");
                if self.monitor.is_none() {
                    arguments.option("-monitor", "none");
                }
            }
            Console::Terminal { log } => {
                let log = escaped(log);
                let console =
                    format!("stdio,id=console,mux=on,signal=off,logfile={log},logappend=off");
                arguments.option("-chardev", console);
                arguments.option("-serial", "chardev:console");
                arguments.option("-mon", "chardev=console,mode=readline");
            }
        }
        if let Some(socket) = &self.monitor {
            let socket = escaped(socket);
            let monitor = format!("socket,id=monitor,path={socket},server=on,wait=off");
            arguments.option("-chardev", monitor);
            arguments.option("-mon", "chardev=monitor,mode=readline");
        }
    }
}

#[derive(Default)]
struct Arguments(Vec<OsString>);

impl Arguments {
    fn option(&mut self, name: &str, value: impl Into<OsString>) {
        self.0.push(name.into());
        self.0.push(value.into());
    }

    /// A disk named `swap`. What is on it need not outlive the emulator, so the host never waits for its own disk.
    fn swap(&mut self, file: &Path) {
        let file = escaped(file);
        self.option(
            "-drive",
            format!("if=none,id=swap,format=raw,cache=unsafe,discard=unmap,file={file}"),
        );
        self.option("-device", "virtio-blk-device,drive=swap,serial=swap");
    }

    /// A directory of the host's as a 9P file system with this tag.
    fn directory(&mut self, tag: &str, directory: &Path, read_only: bool) {
        let path = escaped(directory);
        // `remap` keeps file identities unique when the directory spans file systems.
        let mut backend = format!("local,id={tag},path={path},security_model=none,multidevs=remap");
        if read_only {
            backend.push_str(",readonly=on");
        }
        self.option("-fsdev", backend);
        self.option(
            "-device",
            format!("virtio-9p-device,fsdev={tag},mount_tag={tag}"),
        );
    }
}

/// A path inside one of QEMU's comma-separated options.
fn escaped(path: &Path) -> String {
    path.to_string_lossy().replace(',', ",,")
}

/// QEMU on this machine: what `PAGODA_QEMU` names, else from `PATH`.
pub(crate) fn find_qemu() -> Option<PathBuf> {
    match std::env::var_os("PAGODA_QEMU") {
        Some(file) => Some(PathBuf::from(file)).filter(|file| process::is_program(file)),
        None => process::find_program("qemu-system-aarch64"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> BootFiles {
        BootFiles {
            kernel: "/t/kernel.elf".into(),
            image: "/t/Image".into(),
            archive: "/t/boot.tar".into(),
            root: "/t/ro,ot".into(),
        }
    }

    fn line(machine: &Machine) -> String {
        let words: Vec<_> = machine
            .arguments(&files())
            .iter()
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        words.join(" ")
    }

    #[test]
    fn the_usual_machine_has_two_cpus_one_gibibyte_and_gic_3() {
        let line = line(&Machine::default());
        assert!(
            line.contains("-machine virt,gic-version=3 -cpu max -smp 2 -m 1G -nic none"),
            "{line}"
        );
        assert!(
            line.contains("-kernel /t/Image -initrd /t/boot.tar"),
            "{line}"
        );
        assert!(
            !line.contains("-append") && !line.contains("share"),
            "{line}"
        );
    }

    #[test]
    fn commas_in_paths_are_doubled_for_qemu() {
        assert!(line(&Machine::default()).contains("path=/t/ro,,ot,"));
    }

    #[test]
    fn a_command_travels_as_hexadecimal() {
        let mut machine = Machine::default();
        machine.run_command("ls /");
        assert!(line(&machine).contains("-append run=6c73202f"));
    }

    #[test]
    fn a_share_can_be_read_only() {
        let directory = tempfile::tempdir().unwrap();
        let text = directory.path().to_string_lossy().into_owned();
        let share: Share = format!("{text}:ro").parse().unwrap();
        assert!(share.read_only);
        let machine = Machine {
            share: Some(share),
            ..Machine::default()
        };
        let line = line(&machine);
        assert!(
            line.contains("id=share") && line.contains("readonly=on"),
            "{line}"
        );
        assert!(!text.parse::<Share>().unwrap().read_only);
        assert!("/no/such/directory".parse::<Share>().is_err());
    }

    #[test]
    fn a_swap_disk_is_a_sparse_file_that_goes_with_the_boot() {
        let directory = tempfile::tempdir().unwrap();
        let size: SwapSize = "2g".parse().unwrap();
        let disk = SwapDisk::create(&size, directory.path()).unwrap().unwrap();
        assert_eq!(disk.path().metadata().unwrap().len(), 2 << 30);
        let machine = Machine {
            swap: Some(disk.path()),
            ..Machine::default()
        };
        assert!(line(&machine).contains("virtio-blk-device,drive=swap,serial=swap"));
        drop(disk);
        assert_eq!(directory.path().read_dir().unwrap().count(), 0);
        let none: SwapSize = "none".parse().unwrap();
        assert!(SwapDisk::create(&none, directory.path()).unwrap().is_none());
        assert!("2T".parse::<SwapSize>().is_err());
    }

    #[test]
    fn memory_is_a_number_and_a_unit() {
        assert_eq!("256m".parse::<Memory>().unwrap(), Memory("256M".to_owned()));
        for wrong in ["", "G", "0G", "12", "1GM", "-1G", "1.5G"] {
            assert!(wrong.parse::<Memory>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_terminal_is_shared_with_the_monitor_and_logged() {
        let console = Console::Terminal {
            log: "/t/console.log".into(),
        };
        let line = line(&Machine {
            console,
            ..Machine::default()
        });
        assert!(
            line.contains("mux=on,signal=off,logfile=/t/console.log"),
            "{line}"
        );
    }
}
