//! The numbers here against the table measured from XNU's master file.

use std::collections::HashMap;

const MASTER: &str = include_str!("data/bsd.tsv");

#[test]
fn every_call_has_the_number_and_argument_count_of_xnus_master_file() {
    let master: HashMap<&str, (u32, u8)> = MASTER
        .lines()
        .skip(1)
        .map(|line| line.split('\t').collect::<Vec<_>>())
        .map(|columns| {
            (
                columns[1],
                (columns[0].parse().unwrap(), columns[4].parse().unwrap()),
            )
        })
        .collect();
    assert!(bsd_sys::syscall::TABLE.len() > 100);
    for call in bsd_sys::syscall::TABLE {
        let found = master
            .get(call.name)
            .or_else(|| master.get(format!("sys_{}", call.name).as_str()));
        assert_eq!(found, Some(&(call.number, call.arguments)), "{}", call.name);
        assert_eq!(bsd_sys::syscall::find(call.number), Some(call));
    }
    assert_eq!(bsd_sys::syscall::find(0), None);
}

#[test]
fn the_calls_xnu_has_are_those_of_its_master_file() {
    let numbers: Vec<u32> = MASTER
        .lines()
        .skip(1)
        .map(|line| line.split('\t').next().unwrap().parse().unwrap())
        .collect();
    for number in 0..2000 {
        assert_eq!(
            bsd_sys::syscall::is_xnu_call(number),
            numbers.contains(&number),
            "{number}"
        );
    }
}
