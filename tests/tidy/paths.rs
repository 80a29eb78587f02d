//! Every path that a Rust source names, without the compiler: comments and literals are dropped, `use` trees are spelt
//! out, `self` and `super` are resolved by the file's place and the inline modules around.
//!
//! Macros are read like other code. What a macro makes is not seen: nothing here makes paths by macros.

/// A path that is named.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// Its parts. The first is `crate` for a path in the own crate; a lone identifier is a path of one part.
    pub(crate) path: Vec<String>,
    /// Where.
    pub(crate) line: usize,
    /// It stands in a `use`.
    pub(crate) is_use: bool,
    /// The module in which it stands.
    pub(crate) within: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    /// `::`
    Separator,
    Mark(char),
}

/// Every path in `text`, a file that is the module `modules` of its crate.
pub(crate) fn named(text: &str, modules: &[String]) -> Vec<Named> {
    let tokens = tokens(text);
    let mut reader =
        Reader { tokens: &tokens, at: 0, modules: modules.to_vec(), depth: 0, inline: Vec::new(), found: Vec::new() };
    reader.read();
    reader.found
}

struct Reader<'a> {
    tokens: &'a [(Token, usize)],
    at: usize,
    modules: Vec<String>,
    depth: usize,
    /// The depth of braces at which each inline module ends.
    inline: Vec<usize>,
    found: Vec<Named>,
}

impl Reader<'_> {
    fn read(&mut self) {
        while let Some((token, line)) = self.tokens.get(self.at).cloned() {
            match token {
                Token::Word(word) if word == "use" => {
                    self.at += 1;
                    self.tree(Vec::new());
                }
                Token::Word(word) if word == "mod" => self.module(),
                Token::Word(_) => {
                    let path = self.path();
                    self.keep(path, line, false);
                }
                Token::Mark('{') => {
                    self.depth += 1;
                    self.at += 1;
                }
                Token::Mark('}') => {
                    if self.inline.last() == Some(&self.depth) {
                        self.inline.pop();
                        self.modules.pop();
                    }
                    self.depth = self.depth.saturating_sub(1);
                    self.at += 1;
                }
                Token::Separator | Token::Mark(_) => self.at += 1,
            }
        }
    }

    /// `mod name;` or `mod name {`: in the latter, what follows stands a module deeper.
    fn module(&mut self) {
        self.at += 1;
        if let (Some(Token::Word(name)), Some(Token::Mark('{'))) = (self.peek(0), self.peek(1)) {
            self.modules.push(name);
            self.depth += 1;
            self.inline.push(self.depth);
            self.at += 2;
        } else {
            self.at += 1;
        }
    }

    fn path(&mut self) -> Vec<String> {
        let mut path = Vec::new();
        while let Some(Token::Word(word)) = self.peek(0) {
            path.push(word);
            self.at += 1;
            if self.peek(0) != Some(Token::Separator) || !matches!(self.peek(1), Some(Token::Word(_))) {
                break;
            }
            self.at += 1;
        }
        path
    }

    /// One tree of a `use`, after `prefix`: a path, its end `*`, `{…}` or `as name`.
    fn tree(&mut self, prefix: Vec<String>) {
        let mut path = prefix;
        while let Some((token, line)) = self.tokens.get(self.at).cloned() {
            match token {
                Token::Word(word) if word == "as" => self.at += 2,
                Token::Word(word) => {
                    path.push(word);
                    self.at += 1;
                }
                Token::Separator => self.at += 1,
                Token::Mark('*') => {
                    path.push("*".into());
                    self.at += 1;
                }
                Token::Mark('{') => {
                    self.at += 1;
                    while !matches!(self.peek(0), Some(Token::Mark('}')) | None) {
                        self.tree(path.clone());
                        if self.peek(0) == Some(Token::Mark(',')) {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                Token::Mark(_) => {
                    // `;` ends the statement, `,` and `}` end a branch.
                    self.keep(path, line, true);
                    return;
                }
            }
        }
    }

    fn keep(&mut self, path: Vec<String>, line: usize, is_use: bool) {
        let path = match path.first().map(String::as_str) {
            Some("self" | "super") if path.len() > 1 => self.resolve(&path),
            _ => path,
        };
        if !path.is_empty() {
            self.found.push(Named { path, line, is_use, within: self.modules.clone() });
        }
    }

    fn resolve(&self, path: &[String]) -> Vec<String> {
        let mut modules = self.modules.clone();
        let mut rest = path;
        while let Some((first, after)) = rest.split_first() {
            match first.as_str() {
                "self" => {}
                "super" => _ = modules.pop(),
                _ => break,
            }
            rest = after;
        }
        std::iter::once("crate".to_owned()).chain(modules).chain(rest.iter().cloned()).collect()
    }

    fn peek(&self, ahead: usize) -> Option<Token> {
        self.tokens.get(self.at + ahead).map(|(token, _)| token.clone())
    }
}

/// Words, separators and marks, each with its line; comments and literals dropped.
fn tokens(text: &str) -> Vec<(Token, usize)> {
    let chars: Vec<char> = text.chars().collect();
    let at = |index: usize| chars.get(index).copied().unwrap_or('\0');
    let (mut index, mut line, mut found) = (0, 1, Vec::new());
    while index < chars.len() {
        let start = index;
        match at(index) {
            '/' if at(index + 1) == '/' => index = until(&chars, index, |rest| rest.starts_with(&['\n'])),
            '/' if at(index + 1) == '*' => index = after_block_comment(&chars, index),
            '"' => index = after_string(&chars, index),
            '\'' if at(index + 1) == '\\' => index = until(&chars, index + 3, |rest| rest.starts_with(&['\''])) + 1,
            '\'' if at(index + 2) == '\'' => index += 3,
            ':' if at(index + 1) == ':' => {
                found.push((Token::Separator, line));
                index += 2;
            }
            letter if letter.is_alphanumeric() || letter == '_' => {
                index = until(&chars, index, |rest| !rest[0].is_alphanumeric() && rest[0] != '_');
                let word: String = chars[start..index].iter().collect();
                let hashes = chars[index..].iter().take_while(|&&mark| mark == '#').count();
                let raw = matches!(word.as_str(), "r" | "br" | "cr") && at(index + hashes) == '"';
                if raw {
                    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
                    index = until(&chars, index + hashes + 1, |rest| rest.starts_with(&end)) + end.len();
                } else if word == "r" && hashes == 1 {
                    index += 1; // r#type: the word comes next
                } else {
                    found.push((Token::Word(word), line));
                }
            }
            mark if mark.is_whitespace() => index += 1,
            mark => {
                found.push((Token::Mark(mark), line));
                index += 1;
            }
        }
        line += chars[start..index.min(chars.len())].iter().filter(|&&mark| mark == '\n').count();
    }
    found
}

/// The first index from `from` on at which `holds`, or the end.
fn until(chars: &[char], from: usize, holds: impl Fn(&[char]) -> bool) -> usize {
    (from..chars.len()).find(|&index| holds(&chars[index..])).unwrap_or(chars.len())
}

fn after_string(chars: &[char], from: usize) -> usize {
    let mut index = from + 1;
    while index < chars.len() && chars[index] != '"' {
        index += if chars[index] == '\\' { 2 } else { 1 };
    }
    index + 1
}

/// Comments of blocks nest in Rust.
fn after_block_comment(chars: &[char], from: usize) -> usize {
    let (mut depth, mut index) = (1, from + 2);
    while index < chars.len() && depth > 0 {
        match (chars[index], chars.get(index + 1)) {
            ('/', Some('*')) => (depth, index) = (depth + 1, index + 2),
            ('*', Some('/')) => (depth, index) = (depth - 1, index + 2),
            _ => index += 1,
        }
    }
    index
}
