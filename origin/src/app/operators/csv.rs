//! The blacklist as CSV, read and written: what is exported can be imported.
//!
//! **Invariant:** no spreadsheet runs a note as a formula, and every note comes back as it was.

use super::{
    export::ExportedEntry,
    import::{ImportedEntry, Line},
};
use crate::app::refusal::Refused;

/// The columns; the last two are the export's, and not read.
const COLUMNS: [&str; 7] = ["type", "value", "note", "ttlS", "untilS", "who", "changedAtS"];

/// Reads a file whose first line names its columns, in any order.
pub fn read(bytes: &[u8]) -> Result<Vec<Line>, Refused> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(bytes);
    let header = reader.headers().map_err(|_| Refused::InvalidField("The body is not CSV in UTF-8."))?.clone();
    let columns = COLUMNS.map(|name| header.iter().position(|column| column.trim_start_matches('\u{feff}') == name));
    let [Some(kind), Some(value), note, ttl_s, until_s, ..] = columns else {
        return Err(Refused::InvalidField("The first line of a CSV names the columns: type,value,note,ttlS,untilS."));
    };
    let line = |position: Option<&csv::Position>| position.map_or(0, csv::Position::line);
    let read = |record: Result<csv::StringRecord, csv::Error>| match record {
        Ok(record) => (line(record.position()), entry(&record, [Some(kind), Some(value), note, ttl_s, until_s])),
        Err(error) => (line(error.position()), Err("not CSV in UTF-8".to_owned())),
    };
    Ok(reader.records().map(read).collect())
}

/// Reads a line by the places of its columns.
fn entry(record: &csv::StringRecord, [kind, value, note, ttl_s, until_s]: [Option<usize>; 5]) -> Result<ImportedEntry, String> {
    let text = |column: Option<usize>| column.and_then(|column| record.get(column)).filter(|text| !text.is_empty());
    let seconds = |name: &str, column| {
        let wrong = |_| format!("{name}: a number of seconds");
        text(column).map(|text| text.parse::<u64>().map_err(wrong)).transpose()
    };
    Ok(ImportedEntry {
        r#type: text(kind).unwrap_or_default().to_owned(),
        value: text(value).unwrap_or_default().to_owned(),
        note: text(note).map(unquoted),
        ttl_s: seconds("ttlS", ttl_s)?,
        until_s: seconds("untilS", until_s)?,
    })
}

/// Writes a file.
pub fn write(entries: &[ExportedEntry]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS).expect("a Vec takes it");
    for entry in entries {
        let until_s = entry.until_s.map(|until_s| until_s.to_string()).unwrap_or_default();
        let changed_at_s = entry.changed_at_s.to_string();
        let fields = [&entry.r#type, &entry.value, &quoted(&entry.note), &String::new(), &until_s, &entry.actor, &changed_at_s];
        writer.write_record(fields).expect("a Vec takes it");
    }
    writer.into_inner().expect("a Vec takes it")
}

/// A note that a spreadsheet would take for a formula, made a text by an apostrophe.
fn quoted(note: &str) -> String {
    if note.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{note}") } else { note.to_owned() }
}

/// The note that [`quoted`] was given.
fn unquoted(note: &str) -> String {
    match note.strip_prefix('\'') {
        Some(rest) if quoted(rest) != rest => rest.to_owned(),
        _ => note.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: &str, value: &str, note: Option<&str>) -> ImportedEntry {
        ImportedEntry { r#type: kind.to_owned(), value: value.to_owned(), note: note.map(str::to_owned), ..ImportedEntry::default() }
    }

    #[test]
    fn a_csv_is_read_by_its_header_with_its_own_line_numbers() {
        let csv = "value,type,note,ttlS\n+250788000001,phone,\"two\nlines, quoted\",60\n203.0.113.7,ip,,\n203.0.113.8,ip,,soon\n";
        let lines = read(csv.as_bytes()).unwrap();
        let first = ImportedEntry { ttl_s: Some(60), ..entry("phone", "+250788000001", Some("two\nlines, quoted")) };
        assert_eq!(lines[0], (2, Ok(first)));
        assert_eq!(lines[1], (4, Ok(entry("ip", "203.0.113.7", None))));
        assert_eq!(lines[2], (5, Err("ttlS: a number of seconds".to_owned())));
    }

    #[test]
    fn a_csv_without_a_header_is_refused() {
        assert!(read(b"phone,+250788000001\n").is_err());
        assert!(read(b"").is_err());
    }

    #[test]
    fn a_csv_that_is_not_utf8_is_told_by_line() {
        let lines = read(b"type,value\nip,203.0.113.7\nip,\xff\xfe\n").unwrap();
        assert!(lines[0].1.is_ok());
        assert_eq!((lines[1].0, lines[1].1.is_err()), (3, true));
    }

    #[test]
    fn a_note_is_no_formula_and_comes_back_as_it_was() {
        for note in ["=1+1", "+250", "-x", "@sum", "'quoted'", "plain", ""] {
            assert_eq!(unquoted(&quoted(note)), note);
            assert!(!quoted(note).starts_with(['=', '+', '-', '@']), "{note}");
        }
    }
}
