//! The host directory against a small 9P server in the test.

use super::*;
use alloc::vec;

/// One directory (path 1) with `file` (path 2, 5 bytes) and `dir` (path 3); answers like QEMU does.
#[derive(Debug, Default)]
struct FakeServer {
    fids: BTreeMap<Fid, (u64, bool)>,
    started: Vec<(u64, u32)>,
    written: Vec<(PageSource, u32, u32)>,
    lie_about_version: bool,
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn qid(path: u64) -> Vec<u8> {
    let mut bytes = vec![if path == 2 { 0 } else { 0x80 }];
    bytes.extend_from_slice(&1u32.to_le_bytes());
    bytes.extend_from_slice(&path.to_le_bytes());
    bytes
}

impl FakeServer {
    fn answer(&mut self, message: &[u8]) -> Result<Vec<u8>, u32> {
        let fid = word(message, 7);
        match message[4] {
            100 => {
                let mut body = word(message, 7).min(64 * 1024).to_le_bytes().to_vec();
                let version: &[u8] = if self.lie_about_version {
                    b"\x06\x009P2000"
                } else {
                    b"\x08\x009P2000.L"
                };
                body.extend_from_slice(version);
                Ok(body)
            }
            104 => {
                assert!(self.fids.insert(fid, (1, false)).is_none());
                Ok(qid(1))
            }
            110 => self.walk(fid, message),
            12 => {
                let entry = self.fids.get_mut(&fid).ok_or(9u32)?;
                assert!(!entry.1, "opened twice");
                entry.1 = true;
                let mut body = qid(entry.0);
                body.extend_from_slice(&[0; 4]);
                Ok(body)
            }
            24 => {
                let path = self.fids.get(&fid).ok_or(9u32)?.0;
                let mut body = 0x7ffu64.to_le_bytes().to_vec();
                body.extend_from_slice(&qid(path));
                body.extend_from_slice(
                    &(if path == 2 { 0o100_644u32 } else { 0o040_755 }).to_le_bytes(),
                );
                body.extend_from_slice(&[0; 8]);
                for value in [1u64, 0, 5, 4096, 8, 1, 2, 3, 4, 5, 6] {
                    body.extend_from_slice(&value.to_le_bytes());
                }
                body.extend_from_slice(&[0; 32]);
                Ok(body)
            }
            120 => self.fids.remove(&fid).map(|_| Vec::new()).ok_or(9),
            other => panic!("unexpected request {other}"),
        }
    }

    fn walk(&mut self, fid: Fid, message: &[u8]) -> Result<Vec<u8>, u32> {
        let (path, open) = *self.fids.get(&fid).ok_or(9u32)?;
        assert!(!open, "walked from an open fid");
        let names = u16::from_le_bytes([message[15], message[16]]);
        let mut body = names.to_le_bytes().to_vec();
        let target = if names == 0 {
            path
        } else {
            let target = match &message[19..] {
                b"file" => 2,
                b"dir" => 3,
                _ => return Err(2),
            };
            body.extend_from_slice(&qid(target));
            target
        };
        assert!(
            self.fids
                .insert(word(message, 11), (target, false))
                .is_none(),
            "fid in use"
        );
        Ok(body)
    }
}

impl Transport for FakeServer {
    fn call(&mut self, message: Vec<u8>, _capacity: u32) -> Result<Vec<u8>, Errno> {
        let (kind, body) = match self.answer(&message) {
            Ok(body) => (message[4] + 1, body),
            Err(linux) => (7, linux.to_le_bytes().to_vec()),
        };
        let mut reply = ((7 + body.len()) as u32).to_le_bytes().to_vec();
        reply.push(kind);
        reply.extend_from_slice(&message[5..7]);
        reply.extend_from_slice(&body);
        Ok(reply)
    }

    fn start(&mut self, message: Vec<u8>, data: Data, token: u64) -> Result<(), Errno> {
        let length = match data {
            Data::Read(length) => length,
            Data::Write(source, length) => {
                assert_eq!(message[4], 118);
                assert!(
                    self.fids[&word(&message, 7)].1,
                    "write to a fid that is not open"
                );
                self.written.push((source, word(&message, 19), length));
                return Ok(());
            }
            Data::None => {
                assert_eq!(message[4], 50);
                return Ok(());
            }
        };
        assert_eq!(message[4], 116);
        assert!(
            self.fids[&word(&message, 7)].1,
            "read from a fid that is not open"
        );
        assert_eq!(word(&message, 19), length);
        self.started.push((token, length));
        Ok(())
    }

    fn data_limit(&self) -> u32 {
        1 << 20
    }
}

#[test]
fn a_file_costs_one_fid_until_it_is_read_and_none_after_forget() {
    let mut volume = HostDirectory::attach(FakeServer::default(), 0).unwrap();
    let before = volume.fids_in_use();
    let file = volume.lookup(volume.root(), "file").unwrap();
    assert_eq!(
        (file.inode, file.size, file.kind),
        (2, 5, FileKind::Regular)
    );
    volume.lookup(volume.root(), "file").unwrap();
    assert_eq!(volume.fids_in_use(), before + 1);
    assert!(matches!(
        volume.read_pages(2, 0, 16384, 77),
        Ok(PageRead::Started)
    ));
    volume.read_pages(2, 16384, 16384, 78).unwrap();
    assert_eq!(volume.fids_in_use(), before + 2);
    assert_eq!(volume.transport().started, [(77, 16384), (78, 16384)]);
    volume.forget(2);
    assert_eq!(volume.fids_in_use(), before);
    assert_eq!(volume.transport().fids.len(), before);
    assert_eq!(volume.attributes(2).unwrap_err(), Errno::ESTALE);
}

#[test]
fn a_missing_name_leaves_no_fid_behind() {
    let mut volume = HostDirectory::attach(FakeServer::default(), 0).unwrap();
    let before = volume.fids_in_use();
    assert_eq!(volume.lookup(1, "absent").unwrap_err(), Errno::ENOENT);
    assert_eq!(volume.fids_in_use(), before);
}

#[test]
fn kinds_are_respected() {
    let mut volume = HostDirectory::attach(FakeServer::default(), 0).unwrap();
    let file = volume.lookup(1, "file").unwrap().inode;
    let directory = volume.lookup(1, "dir").unwrap().inode;
    assert_eq!(volume.lookup(file, "x").unwrap_err(), Errno::ENOTDIR);
    assert_eq!(
        volume.read_pages(directory, 0, 1, 0).unwrap_err(),
        Errno::EISDIR
    );
    assert_eq!(volume.read_link(file).unwrap_err(), Errno::EINVAL);
    assert_eq!(
        volume.read_directory(file, 0, 100).unwrap_err(),
        Errno::ENOTDIR
    );
}

#[test]
fn requests_stay_within_the_negotiated_size() {
    let mut volume = HostDirectory::attach(FakeServer::default(), 0).unwrap();
    assert_eq!(volume.read_limit(), 64 * 1024 - 11);
    let file = volume.lookup(1, "file").unwrap().inode;
    volume.read_pages(file, 0, 1 << 20, 5).unwrap();
    assert_eq!(volume.transport().started, [(5, 64 * 1024 - 11)]);
}

#[test]
fn another_protocol_is_refused() {
    let server = FakeServer {
        lie_about_version: true,
        ..FakeServer::default()
    };
    assert_eq!(
        HostDirectory::attach(server, 0).unwrap_err(),
        Errno::EPROTONOSUPPORT
    );
}

#[test]
fn a_name_found_again_takes_the_newer_fid_and_gives_the_older_back() {
    let mut volume = HostDirectory::attach(FakeServer::default(), 0).unwrap();
    let file = volume.lookup(1, "file").unwrap().inode;
    let first = volume.nodes[&file].fid;
    volume.lookup(1, "file").unwrap();
    let second = volume.nodes[&file].fid;
    assert_ne!(first, second);
    assert!(!volume.transport().fids.contains_key(&first));
    assert!(volume.transport().fids.contains_key(&second));
    assert!(volume.attributes(file).is_ok());
}

#[test]
fn the_root_survives_being_forgotten() {
    let mut volume = HostDirectory::attach(FakeServer::default(), 0).unwrap();
    volume.forget(volume.root());
    assert!(volume.lookup(volume.root(), "file").is_ok());
}

#[test]
fn a_write_opens_a_fid_of_its_own_and_goes_as_large_as_the_device_takes() {
    let mut volume = HostDirectory::attach(FakeServer::default(), 0).unwrap();
    let before = volume.fids_in_use();
    let file = volume.lookup(1, "file").unwrap().inode;
    assert_eq!(volume.synchronize(file, 1), Ok(Progress::Done));
    volume.open_for_writing(file).unwrap();
    let source = PageSource {
        list: mach::PortName(7),
        offset: 4096,
    };
    volume.write_pages(file, 0, source, 100, 2).unwrap();
    volume.write_pages(file, 0, source, 1 << 20, 3).unwrap();
    let limit = volume.read_limit();
    assert_eq!(
        volume.transport().written,
        [(source, 100, 100), (source, limit, limit)]
    );
    assert_eq!(volume.synchronize(file, 4), Ok(Progress::Started));
    assert_eq!(volume.fids_in_use(), before + 2);
    volume.forget(file);
    assert_eq!(volume.fids_in_use(), before);
}
