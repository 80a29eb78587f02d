//! Every parser of outside text, fed what nobody would write.
//!
//! Each target has a corpus, which holds what was ever found, and a dictionary. In the normal tests the corpus and some
//! thousand cases run; `cargo xtask fuzz --minutes N` sets [`SECONDS`] and builds for release. Cases are drawn and shrunk by
//! proptest: coverage-guided engines need a nightly compiler.

mod answers;
mod texts;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestCaseError, TestRunner};

/// The environment's: for how long each target runs, in seconds.
const SECONDS: &str = "MES_FUZZ_SECONDS";

/// Cases of a target in the normal tests, and between two looks at the clock.
const CASES: u32 = 600;

/// How long a text gets by repetition, in bytes: five repeated repetitions would fill the machine.
const LONGEST: usize = 1 << 20;

/// Runs `check`, which panics on a fault, on the corpus and on texts made of it and of these words.
fn fuzz(name: &str, words: &'static [&'static str], corpus: &'static [&'static str], check: impl Fn(&str)) {
    let began = Instant::now();
    let duration = std::env::var(SECONDS).ok().and_then(|text| text.parse().ok()).map(Duration::from_secs);
    corpus.iter().for_each(|text| check(text));
    let strategy = texts_of(words, corpus);
    let mut cases = u64::try_from(corpus.len()).unwrap();
    loop {
        let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
        let outcome = TestRunner::new(config).run(&strategy, |text| {
            let fine = catch_unwind(AssertUnwindSafe(|| check(&text)));
            fine.map_err(|_| TestCaseError::fail("see the panic above"))
        });
        if let Err(found) = outcome {
            panic!("fuzz {name}: after {cases} cases: {found}; put the text into the corpus, then mend it");
        }
        cases += u64::from(CASES);
        if duration.is_none_or(|duration| began.elapsed() >= duration) {
            break;
        }
    }
    println!("fuzz {name}: {cases} cases in {} s, nothing found", began.elapsed().as_secs());
}

/// One change of a text.
#[derive(Debug, Clone)]
enum Edit {
    Cut(Index, Index),
    Insert(Index, String),
    Repeat(Index, Index, u8),
}

fn texts_of(words: &'static [&'static str], corpus: &'static [&'static str]) -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => select(words).prop_map(str::to_owned),
        2 => any::<char>().prop_map(String::from),
        2 => "[ -~]{1,3}",
        1 => select(&["\0", "\n", "\r\n", "\u{1b}[2J", "\u{202e}", "ａ", "é", "\u{0430}", "%2f", "..", "\u{10ffff}"][..]).prop_map(str::to_owned),
        1 => any::<i64>().prop_map(|number| number.to_string()),
    ]
    .boxed();
    let edit = prop_oneof![
        2 => any::<(Index, Index)>().prop_map(|(from, to)| Edit::Cut(from, to)),
        4 => (any::<Index>(), piece.clone()).prop_map(|(at, text)| Edit::Insert(at, text)),
        1 => any::<(Index, Index, u8)>().prop_map(|(from, to, times)| Edit::Repeat(from, to, times)),
    ];
    prop_oneof![
        1 => prop::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat()),
        2 => (select(corpus), prop::collection::vec(edit, 1..5)).prop_map(|(text, edits)| edits.iter().fold(text.to_owned(), edited)),
    ]
}

fn edited(text: String, edit: &Edit) -> String {
    let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let place = |index: &Index| places[index.index(places.len())];
    let ordered = |from, to| if from <= to { (from, to) } else { (to, from) };
    match edit {
        Edit::Cut(from, to) => {
            let (from, to) = ordered(place(from), place(to));
            format!("{}{}", &text[..from], &text[to..])
        }
        Edit::Insert(at, piece) => {
            let at = place(at);
            format!("{}{piece}{}", &text[..at], &text[at..])
        }
        Edit::Repeat(from, to, times) => {
            let (from, to) = ordered(place(from), place(to));
            let most = LONGEST.saturating_sub(text.len()) / (to - from).max(1);
            format!("{}{}{}", &text[..to], text[from..to].repeat(usize::from(*times).min(most)), &text[to..])
        }
    }
}

/// What may go to a terminal, a log, a page. Our own sentences have an ellipsis, which their last printer spells out.
fn shown(text: &str) {
    let text = text.replace('…', "...");
    assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "not printable: {text:?}");
}
