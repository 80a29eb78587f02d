//! Text of a policy: wildcards and policy variables.
//!
//! Invariant: what a variable brings in is literal. A tag's value that holds a `*` widens nothing. Called by
//! `condition` and `document`.

use super::context::Context;

/// A text of a policy, with `*`, `?` and `${key}` in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Character(char),
    /// `*`: any number of characters, slashes and colons among them.
    Any,
    /// `?`: one character.
    One,
    /// `${key}` or `${key, 'otherwise'}`.
    Variable {
        key: String,
        otherwise: Option<String>,
    },
}

impl Pattern {
    /// Reads a text. `${*}`, `${?}` and `${$}` are the characters themselves.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(next) = rest.chars().next() {
            if let Some(inner) = rest.strip_prefix("${") {
                let (name, after) = inner.split_once('}').ok_or_else(|| format!("{text}: a variable has no end"))?;
                rest = after;
                pieces.push(match name {
                    "*" | "?" | "$" => Piece::Character(name.chars().next().unwrap_or('$')),
                    _ => variable(name).ok_or_else(|| format!("{text}: ${{{name}}} is no variable"))?,
                });
                continue;
            }
            rest = &rest[next.len_utf8()..];
            pieces.push(match next {
                '*' => Piece::Any,
                '?' => Piece::One,
                other => Piece::Character(other),
            });
        }
        Ok(Self(pieces))
    }

    /// The pieces with the request's variables in them; absent if one has no value and no default: then the text
    /// matches nothing.
    fn filled(&self, context: &Context) -> Option<Vec<Piece>> {
        let mut filled = Vec::with_capacity(self.0.len());
        for piece in &self.0 {
            match piece {
                Piece::Variable { key, otherwise } => {
                    let value = context.single(key).or(otherwise.as_deref())?;
                    filled.extend(value.chars().map(Piece::Character));
                }
                other => filled.push(other.clone()),
            }
        }
        Some(filled)
    }

    /// Whether the text matches, wildcards being such.
    pub(super) fn matches(&self, text: &str, context: &Context) -> bool {
        self.filled(context).is_some_and(|pieces| glob(&pieces, &text.chars().collect::<Vec<_>>()))
    }

    /// Whether an ARN matches as `ArnLike` compares: each of its six parts by itself.
    pub(super) fn matches_arn(&self, arn: &str, context: &Context) -> bool {
        let Some(pieces) = self.filled(context) else { return false };
        let colon = |piece: &Piece| *piece == Piece::Character(':');
        let wanted: Vec<&[Piece]> = pieces.splitn(6, colon).collect();
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        wanted.len() == parts.len()
            && wanted.iter().zip(parts).all(|(wanted, part)| glob(wanted, &part.chars().collect::<Vec<_>>()))
    }

    /// The text as `StringEquals` compares it, where `*` and `?` are themselves.
    pub(super) fn literal(&self, context: &Context) -> Option<String> {
        let pieces = self.filled(context)?;
        Some(
            pieces
                .iter()
                .map(|piece| match piece {
                    Piece::Character(character) => *character,
                    Piece::Any => '*',
                    Piece::One | Piece::Variable { .. } => '?',
                })
                .collect(),
        )
    }
}

fn variable(name: &str) -> Option<Piece> {
    let (key, otherwise) = match name.split_once(',') {
        Some((key, quoted)) => (key, Some(quoted.trim().strip_prefix('\'')?.strip_suffix('\'')?.to_owned())),
        None => (name, None),
    };
    key.contains(':').then(|| Piece::Variable { key: key.trim().to_ascii_lowercase(), otherwise })
}

/// Wildcard matching in time proportional to the product of the lengths.
fn glob(pieces: &[Piece], text: &[char]) -> bool {
    let (mut piece, mut at) = (0, 0);
    // Where the last `*` stands and how far it reaches.
    let mut star: Option<(usize, usize)> = None;
    while at < text.len() {
        match pieces.get(piece) {
            Some(Piece::Any) => {
                star = Some((piece, at));
                piece += 1;
            }
            Some(Piece::One) => (piece, at) = (piece + 1, at + 1),
            Some(Piece::Character(wanted)) if *wanted == text[at] => (piece, at) = (piece + 1, at + 1),
            _ => match star {
                Some((place, reach)) => {
                    star = Some((place, reach + 1));
                    (piece, at) = (place + 1, reach + 1);
                }
                None => return false,
            },
        }
    }
    pieces[piece..].iter().all(|piece| *piece == Piece::Any)
}
