//! The table of threats names every id, and for each its tests or what they come with; and every test that is named by an
//! id stands there.

use std::collections::{BTreeMap, BTreeSet};

/// What the rows of `docs/threats.md` say that the tests do not. `sources`: the text of every file of Rust.
fn faults(table: &str, sources: &[String]) -> Vec<String> {
    let there: BTreeSet<&str> = sources.iter().flat_map(|text| named_by_id(text)).collect();
    let rows: BTreeMap<&str, &str> = table.lines().filter_map(row).collect();
    let mut faults = Vec::new();
    for number in 1..=63 {
        let id = format!("T{number:02}");
        let Some(told) = rows.get(id.as_str()) else {
            faults.push(format!("{id} has no row"));
            continue;
        };
        let listed: BTreeSet<&str> = told.split('`').skip(1).step_by(2).collect();
        let own = format!("{}_", id.to_lowercase());
        let tests: BTreeSet<&str> = there.iter().copied().filter(|name| name.starts_with(&own)).collect();
        faults.extend(listed.difference(&tests).map(|name| format!("{id} names a test that is not there: {name}")));
        faults.extend(tests.difference(&listed).map(|name| format!("{id} does not name its test {name}")));
        if listed.is_empty() && !told.starts_with("comes with ") {
            faults.push(format!("{id} has no test, and does not say what it comes with"));
        }
    }
    faults
}

/// The id and the last cell of a row.
fn row(line: &str) -> Option<(&str, &str)> {
    let cells: Vec<&str> = line.strip_prefix("| T")?.strip_suffix('|')?.split('|').map(str::trim).collect();
    Some((line[2..].split(' ').next()?, cells.last()?))
}

/// Functions called `tNN_…`.
fn named_by_id(text: &str) -> impl Iterator<Item = &str> {
    text.split("fn ").skip(1).filter_map(|rest| {
        let name = rest.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').next()?;
        let mut letters = name.bytes();
        let id = letters.next() == Some(b't') && letters.by_ref().take(2).all(|byte| byte.is_ascii_digit());
        (id && letters.next() == Some(b'_')).then_some(name)
    })
}

#[test]
fn every_threat_has_its_tests_or_what_they_come_with() {
    let root = super::root();
    let rust = super::files(&root).into_iter().filter(|path| path.extension().is_some_and(|end| end == "rs"));
    // This file's own rows are examples.
    let rust = rust.filter(|path| !path.ends_with("tests/tidy/threats.rs"));
    let sources: Vec<String> = rust.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let table = std::fs::read_to_string(root.join("docs/threats.md")).unwrap();
    super::none(&faults(&table, &sources));
}

#[test]
fn a_row_without_its_test_a_test_without_its_row_and_a_missing_row_are_told() {
    let row = |number: usize, cell: &str| format!("| T{number:02} | x | y | {cell} |\n");
    let rest: String = (4..=63).map(|number| row(number, "comes with more")).collect();
    let table = row(1, "`t01_is_there`") + &row(2, "`t02_is_not`") + &rest;
    let sources = ["fn t01_is_there() {} fn t05_is_new() {} fn to_be() {} fn t1_no() {}".to_owned()];
    let told = faults(&table, &sources);
    assert_eq!(
        told,
        ["T02 names a test that is not there: t02_is_not", "T03 has no row", "T05 does not name its test t05_is_new",]
    );
    assert!(faults(&row(3, "soon"), &[]).contains(&"T03 has no test, and does not say what it comes with".to_owned()));
}
