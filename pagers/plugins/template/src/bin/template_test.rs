//! `template` in the guest: the file is read and mapped by an ordinary program.

#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

use pager_sdk::libsystem::fs::{self, File};
use tests::pager::Started;
use tests::{Context as _, Outcome, ensure_equal, raw};

tests::program! {
    the_file_is_listed,
    reading_and_mapping_show_the_same,
}

fn the_file_is_listed() -> Outcome {
    let pager = Started::start("template", &[])?;
    let names = fs::read_dir(&pager.path("")).context("the directory")?;
    ensure_equal!(names.len(), 1, "files");
    ensure_equal!(names[0].name, "numbers", "its name");
    Ok(())
}

fn reading_and_mapping_show_the_same() -> Outcome {
    let pager = Started::start("template", &[])?;
    let file = File::open(&pager.path("numbers")).context("open")?;
    let map = raw::map_file(&file).context("mmap")?;
    for number in [0, 1, 0x1234, 0xf_ffff_u64] {
        let mut bytes = [0; 8];
        file.read_at(&mut bytes, number * 8).context("pread")?;
        ensure_equal!(u64::from_le_bytes(bytes), number, "by read");
        ensure_equal!(raw::load(map + number * 8), number as u8, "by mapping");
    }
    Ok(())
}
