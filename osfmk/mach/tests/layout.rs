//! Every interface against the tables measured from XNU's interface files, and the own interfaces
//! against a table that is kept beside them.

mod tables;

use mach::defs;
use mach::defs::layout::{DescriptorLayout, MessageLayout, Placed, RoutineLayout};
use tables::{Row, rows};

fn interfaces() -> Vec<(&'static str, i32, &'static [RoutineLayout])> {
    vec![
        ("mach_host", defs::mach_host::BASE, defs::mach_host::LAYOUT),
        ("host_priv", defs::host_priv::BASE, defs::host_priv::LAYOUT),
        ("mach_port", defs::mach_port::BASE, defs::mach_port::LAYOUT),
        ("task", defs::task::BASE, defs::task::LAYOUT),
        (
            "thread_act",
            defs::thread_act::BASE,
            defs::thread_act::LAYOUT,
        ),
        ("vm_map", defs::vm_map::BASE, defs::vm_map::LAYOUT),
        ("mach_vm", defs::mach_vm::BASE, defs::mach_vm::LAYOUT),
        (
            "memory_entry",
            defs::memory_entry::BASE,
            defs::memory_entry::LAYOUT,
        ),
        ("exc", defs::exc::BASE, defs::exc::LAYOUT),
        ("mach_exc", defs::mach_exc::BASE, defs::mach_exc::LAYOUT),
        ("notify", defs::notify::BASE, defs::notify::LAYOUT),
        (
            "memory_object",
            defs::memory_object::BASE,
            defs::memory_object::LAYOUT,
        ),
        (
            "memory_object_control",
            defs::memory_object_control::BASE,
            defs::memory_object_control::LAYOUT,
        ),
    ]
}

fn own_interfaces() -> Vec<(&'static str, &'static [RoutineLayout])> {
    vec![
        ("pager", defs::pager::LAYOUT),
        ("pager_control", defs::pager_control::LAYOUT),
        ("device", defs::device::LAYOUT),
        ("page_list", defs::page_list::LAYOUT),
        ("file_server", defs::file_server::LAYOUT),
        ("trace", defs::trace::LAYOUT),
        ("pager_registry", defs::pager_registry::LAYOUT),
        ("pager_service", defs::pager_service::LAYOUT),
    ]
}

/// Names of arguments are Apple's but for case and underscores.
fn plain(name: &str) -> String {
    name.chars()
        .filter(|c| *c != '_')
        .flat_map(char::to_lowercase)
        .collect()
}

fn check_message(what: &str, ours: &MessageLayout, theirs: &tables::Message) {
    assert_eq!(ours.is_complex(), theirs.complex, "{what}: complex");
    assert_eq!(
        ours.descriptor_count(),
        theirs.descriptors,
        "{what}: descriptors"
    );
    assert_eq!(
        (ours.min_size(), ours.max_size()),
        (theirs.min, theirs.max),
        "{what}: sizes"
    );
    let placed = ours.fields();
    assert_eq!(
        placed.len(),
        theirs.fields.len(),
        "{what}: {placed:?} {:?}",
        theirs.fields
    );
    for (mine, field) in placed.iter().zip(&theirs.fields) {
        let Placed {
            name,
            offset,
            min,
            max,
            floating,
        } = mine;
        assert_eq!(plain(name), plain(&field.name), "{what}: name");
        assert_eq!(
            (*offset, *floating),
            (field.offset, field.floating),
            "{what}: {name}"
        );
        assert_eq!(
            (*min, *max),
            (field.min, field.max),
            "{what}: size of {name}"
        );
    }
    for ((name, layout), (their_name, kind)) in ours.descriptors.iter().zip(&theirs.kinds) {
        assert_eq!(plain(name), plain(their_name), "{what}: descriptor");
        assert_eq!(describe(*layout), *kind, "{what}: descriptor {name}");
    }
}

fn describe(layout: DescriptorLayout) -> String {
    match layout {
        DescriptorLayout::Port(0) => "port poly".into(),
        DescriptorLayout::Port(sent) | DescriptorLayout::PortArray(sent, _) => {
            format!("port {sent}")
        }
        DescriptorLayout::Memory => "ool".into(),
        DescriptorLayout::Ports(sent) => format!("oolports {sent}"),
    }
}

fn row_of<'a>(rows: &'a [Row], routine: &RoutineLayout) -> &'a Row {
    let mut found = rows.iter().filter(|row| row.id == routine.id);
    let named = |row: &&Row| row.names.iter().any(|name| name == routine.name);
    found
        .find(named)
        .unwrap_or_else(|| panic!("{} {} is in no table", routine.id, routine.name))
}

#[test]
fn every_routine_has_the_layout_that_apples_mig_gives_it() {
    let mut checked = 0;
    for (name, base, routines) in interfaces() {
        let rows = rows(name);
        assert_eq!(base, rows[0].base, "{name}");
        for routine in routines {
            let row = row_of(&rows, routine);
            let what = format!("{} {}", routine.id, routine.name);
            check_message(&format!("{what} request"), &routine.request, &row.request);
            assert_eq!(routine.reply.is_some(), row.reply.is_some(), "{what}");
            if let (Some(ours), Some(theirs)) = (&routine.reply, &row.reply) {
                assert_eq!(row.reply_id, routine.id + 100, "{what}");
                check_message(&format!("{what} reply"), ours, theirs);
            }
            checked += 1;
        }
    }
    assert!(checked > 150, "only {checked} routines");
}

fn describe_message(layout: &MessageLayout) -> String {
    let field = |placed: &Placed| {
        let tilde = if placed.floating { "~" } else { "" };
        let size = if placed.min == placed.max {
            format!("{}", placed.max)
        } else {
            format!("{}..{}", placed.min, placed.max)
        };
        format!("{}:{tilde}{}:{size}", placed.name, placed.offset)
    };
    let kinds: Vec<_> = layout
        .descriptors
        .iter()
        .map(|(_, kind)| describe(*kind))
        .collect();
    let fields: Vec<_> = layout.fields().iter().map(field).collect();
    format!(
        "{}\t{}\t{}\t{}",
        layout.min_size(),
        layout.max_size(),
        kinds.join(","),
        fields.join(",")
    )
}

fn own_table() -> String {
    let mut table = String::from(
        "interface\tid\troutine\treq_min\treq_max\treq_kinds\treq_fields\trep_min\trep_max\trep_kinds\trep_fields\n",
    );
    for (name, routines) in own_interfaces() {
        for routine in routines {
            let reply = routine
                .reply
                .as_ref()
                .map_or("\t\t\t".into(), describe_message);
            let request = describe_message(&routine.request);
            table += &format!(
                "{name}\t{}\t{}\t{request}\t{reply}\n",
                routine.id, routine.name
            );
        }
    }
    table
}

/// A change of an own interface is a change of the ABI: it must show in `tests/data/own.tsv`.
/// `PAGODA_WRITE_TABLES=1` writes the file anew.
#[test]
fn own_interfaces_have_the_layouts_on_record() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/own.tsv");
    let table = own_table();
    if std::env::var_os("PAGODA_WRITE_TABLES").is_some() {
        std::fs::write(path, &table).unwrap();
    }
    let recorded = std::fs::read_to_string(path).unwrap();
    for (ours, theirs) in table.lines().zip(recorded.lines()) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(table, recorded);
}

#[test]
fn no_two_interfaces_share_a_request_id() {
    let mut ids = std::collections::BTreeMap::new();
    let all = interfaces()
        .into_iter()
        .map(|(name, _, routines)| (name, routines));
    for (name, routines) in all.chain(own_interfaces()) {
        for routine in routines {
            assert_eq!(
                ids.insert(routine.id, name),
                None,
                "{} in {name}",
                routine.id
            );
        }
    }
}

#[test]
fn traps_are_xnus() {
    let table = include_str!("data/traps.tsv");
    let mut count = 0;
    for line in table.lines().skip(1) {
        let columns: Vec<_> = line.split('\t').collect();
        let row = mach::traps::find(columns[1].parse().unwrap()).expect(columns[2]);
        assert_eq!(
            (row.name, row.arguments.to_string().as_str()),
            (columns[2], columns[3])
        );
        assert_eq!(row.returns_port, columns[6] == "1", "{}", row.name);
        count += 1;
    }
    assert_eq!(count, mach::traps::TABLE.len());
    assert_eq!((mach::traps::MACH_MSG, mach::traps::TASK_SELF), (-31, -28));
    assert_eq!(mach::traps::find(-127), None);
}
