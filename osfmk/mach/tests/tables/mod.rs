//! Reads the tables of message layouts in `tests/data`.

/// One inline field or descriptor.
#[derive(Debug)]
pub(crate) struct Field {
    pub name: String,
    pub offset: usize,
    pub floating: bool,
    pub min: usize,
    pub max: usize,
}

/// One message.
#[derive(Debug)]
pub(crate) struct Message {
    pub complex: bool,
    pub descriptors: usize,
    pub min: usize,
    pub max: usize,
    /// Without header, body, NDR record and return code.
    pub fields: Vec<Field>,
    /// Descriptor arguments: name, and kind with the disposition sent.
    pub kinds: Vec<(String, String)>,
}

/// One routine.
#[derive(Debug)]
pub(crate) struct Row {
    pub base: i32,
    pub id: i32,
    /// XNU's names, in all views, without the prefix of Libsystem's own stubs.
    pub names: Vec<String>,
    pub request: Message,
    pub reply_id: i32,
    pub reply: Option<Message>,
}

fn field(text: &str) -> Option<Field> {
    let mut parts = text.split(':');
    let (name, _kind) = (parts.next()?, parts.next()?);
    let (offset, size) = (parts.next()?, parts.next()?);
    if matches!(name, "Head" | "msgh_body" | "NDR" | "RetCode") {
        return None;
    }
    let (min, max) = size.split_once("..").unwrap_or((size, size));
    Some(Field {
        name: name.into(),
        offset: offset.trim_start_matches('~').parse().ok()?,
        floating: offset.starts_with('~'),
        min: min.parse().ok()?,
        max: max.parse().ok()?,
    })
}

fn kind(text: &str) -> Option<(String, String)> {
    let (name, rest) = text.split_once('=')?;
    let mut words = rest.split(' ');
    let kind = words.next()?;
    let sent = words
        .next()
        .unwrap_or_default()
        .split('>')
        .next()
        .unwrap_or_default();
    let kind = if kind == "ool" {
        "ool".into()
    } else {
        format!("{kind} {sent}")
    };
    Some((name.into(), kind))
}

fn message(columns: &[&str]) -> Option<Message> {
    let [complex, descriptors, min, max, fields, kinds] = columns else {
        return None;
    };
    Some(Message {
        complex: *complex == "1",
        descriptors: descriptors.parse().ok()?,
        min: min.parse().ok()?,
        max: max.parse().ok()?,
        fields: fields.split(',').filter_map(field).collect(),
        kinds: kinds.split(',').filter_map(kind).collect(),
    })
}

fn names(routine: &str, aliases: &str) -> Vec<String> {
    let aliases = aliases
        .split(';')
        .filter_map(|alias| alias.split_once('='))
        .map(|(_, name)| name);
    std::iter::once(routine)
        .chain(aliases)
        .map(|name| {
            name.trim_start_matches("_kernelrpc_")
                .trim_start_matches('_')
                .into()
        })
        .collect()
}

/// The rows of a subsystem that stand for a message.
pub(crate) fn rows(subsystem: &str) -> Vec<Row> {
    let path = format!("{}/tests/data/{subsystem}.tsv", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let mut rows = Vec::new();
    for line in text.lines().skip(1) {
        let columns: Vec<_> = line.split('\t').collect();
        let Some(request) = columns.get(8..14).and_then(message) else {
            continue;
        };
        rows.push(Row {
            base: columns[1].parse().unwrap(),
            id: columns[2].parse().unwrap(),
            names: names(columns[3], columns[6]),
            request,
            reply_id: columns[14].parse().unwrap_or(0),
            reply: columns.get(15..21).and_then(message),
        });
    }
    rows
}
