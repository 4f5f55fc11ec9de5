//! Names of ports, as `portsummary` lists them.

use alloc::format;
use alloc::string::String;
use mach::port::{PortStatus, PortType};

/// One name.
#[derive(Clone, Copy, Debug)]
pub struct Port {
    /// The name.
    pub name: u32,
    /// What it denotes.
    pub kind: PortType,
    /// References of the right, other than a receive right.
    pub references: u32,
    /// What the receiver knows.
    pub status: Option<PortStatus>,
    /// What kernel object it is.
    pub object: &'static str,
}

/// Above the lines.
pub const HEADING: &str = "   name     rights      urefs  reqs   make-send  sonce  qlimit  msgcount  type\n\
---------- ----------  ------  ----  ---------- ------ -------  --------  ------------";

impl Port {
    fn rights(&self) -> &'static str {
        let is = |right| self.kind.contains(right);
        match () {
            () if is(PortType::RECEIVE | PortType::SEND) => "recv,send",
            () if is(PortType::RECEIVE) => "recv",
            () if is(PortType::SEND) => "send",
            () if is(PortType::SEND_ONCE) => "send-once",
            () if is(PortType::PORT_SET) => "port-set",
            () if is(PortType::DEAD_NAME) => "dead-name",
            () => "?",
        }
    }

    /// Which notifications are armed: dead name, no senders, port destroyed.
    fn requests(&self) -> String {
        let armed = |status: fn(&PortStatus) -> u32| {
            self.status.as_ref().is_some_and(|known| status(known) != 0)
        };
        let waits = PortType::DEAD_NAME_REQUEST | PortType::SEND_POSSIBLE_REQUEST;
        [
            (self.kind.intersects(waits), 'D'),
            (armed(|status| status.no_senders_request), 'N'),
            (armed(|status| status.port_destroyed_request), 'P'),
        ]
        .iter()
        .map(|(armed, letter)| if *armed { *letter } else { '-' })
        .collect()
    }

    /// Its line.
    pub fn line(&self) -> String {
        let references = match self.references {
            0 => String::from("-"),
            count => format!("{count}"),
        };
        let queue = self.status.as_ref().map_or_else(
            || format!("{:>10} {:>6} {:>7}  {:>8}", "-", "-", "-", "-"),
            |status| {
                format!(
                    "{:>10} {:>6} {:>7}  {:>8}",
                    status.make_send_count,
                    status.send_once_rights,
                    status.queue_limit,
                    status.message_count
                )
            },
        );
        let line = format!(
            "{:#010x} {:<10}  {references:>6}  {}   {queue}  {}",
            self.name,
            self.rights(),
            self.requests(),
            self.object
        );
        String::from(line.trim_end())
    }
}

/// Sums over all names.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    names: u32,
    counts: [u32; 5],
    messages: u32,
}

const COUNTED: [(PortType, &str); 5] = [
    (PortType::SEND, "SEND"),
    (PortType::RECEIVE, "RECEIVE"),
    (PortType::SEND_ONCE, "SEND_ONCE"),
    (PortType::PORT_SET, "PORT_SETS"),
    (PortType::DEAD_NAME, "DEAD_NAMES"),
];

impl Totals {
    /// Counts a name.
    pub fn add(&mut self, port: &Port) {
        self.names += 1;
        for (count, (right, _)) in self.counts.iter_mut().zip(COUNTED) {
            *count += u32::from(port.kind.contains(right));
        }
        self.messages += port.status.map_or(0, |status| status.message_count);
    }

    /// What `lsmp` says at its end.
    pub fn text(&self) -> String {
        let mut text = format!("\n{:<11}= {}\n", "total", self.names);
        for (count, (_, name)) in self.counts.iter().zip(COUNTED) {
            text.push_str(&format!("{name:<11}= {count}\n"));
        }
        text.push_str(&format!("{:<11}= {}\n", "messages", self.messages));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stands_under_its_heading() {
        let port = Port {
            name: 0x103,
            kind: PortType::SEND | PortType::DEAD_NAME_REQUEST,
            references: 2,
            status: None,
            object: "TASK",
        };
        let line = port.line();
        assert!(
            line.starts_with("0x00000103 send             2  D--  "),
            "{line}"
        );
        let heading = HEADING.lines().next().unwrap();
        assert_eq!(line.find("TASK"), heading.find("type"));
        let receive = Port {
            name: 0x203,
            kind: PortType::SEND_RECEIVE,
            status: Some(PortStatus {
                queue_limit: 5,
                message_count: 3,
                no_senders_request: 1,
                ..PortStatus::default()
            }),
            object: "",
            ..port
        };
        let line = receive.line();
        assert!(line.contains("recv,send") && line.contains("-N-") && line.ends_with('3'));
        assert_eq!(
            line.len(),
            heading.find("msgcount").unwrap() + "msgcount".len()
        );
    }

    #[test]
    fn totals_count_each_right() {
        let mut totals = Totals::default();
        totals.add(&Port {
            name: 3,
            kind: PortType::SEND_RECEIVE,
            references: 1,
            status: None,
            object: "",
        });
        let text = totals.text();
        assert!(text.contains("SEND       = 1\n") && text.contains("RECEIVE    = 1\n"));
        assert!(text.contains("SEND_ONCE  = 0\n"));
    }
}
