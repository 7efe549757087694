//! The lexer behind [`super::expand`]. One pass over the characters; `${` recurses, at most [`MAX_DEPTH`] deep.

use super::{Env, ExpandError, Expansion, MAX_DEPTH, MAX_LENGTH, pattern};

/// What is left as it is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mode {
    /// Quotes group, and stay in the result.
    pub(super) keep_quotes: bool,
    /// Escapes protect, and stay in the result.
    pub(super) keep_escapes: bool,
    /// Quotes are characters like any other.
    pub(super) plain_quotes: bool,
    /// Variables that are not set stay as written.
    pub(super) keep_unset: bool,
}

pub(super) struct Lexer<'a> {
    text: &'a str,
    pos: usize,
    escape: char,
    env: Env<'a>,
    mode: Mode,
    raw_escapes: bool,
    depth: usize,
    /// How many bytes substitutions may still give.
    left: usize,
    found: Expansion,
}

type Result<T> = std::result::Result<T, ExpandError>;

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str, escape: char, env: Env<'a>, mode: Mode) -> Self {
        let raw_escapes = mode.keep_escapes;
        let (depth, left) = (0, MAX_LENGTH);
        Self { text, pos: 0, escape, env, mode, raw_escapes, depth, left, found: Expansion::default() }
    }

    /// With another limit than [`MAX_LENGTH`].
    pub(super) fn limit(self, left: usize) -> Self {
        Self { left, ..self }
    }

    pub(super) fn expand(mut self) -> Result<Expansion> {
        let mut words = Words::default();
        let raw = self.raw_escapes;
        let text = self.until(None, raw, &mut words)?;
        Ok(Expansion { text, words: words.finish(), ..self.found })
    }

    fn peek(&self) -> Option<char> {
        self.text[self.pos..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.pos += c.len_utf8();
        Some(c)
    }

    /// Everything up to `stop` (which is eaten) or the end.
    fn until(&mut self, stop: Option<char>, raw_escapes: bool, words: &mut Words) -> Result<String> {
        let outer = std::mem::replace(&mut self.raw_escapes, raw_escapes);
        let result = self.until_inner(stop, words);
        self.raw_escapes = outer;
        result
    }

    fn until_inner(&mut self, stop: Option<char>, words: &mut Words) -> Result<String> {
        let mut out = String::new();
        while let Some(c) = self.peek() {
            if stop == Some(c) {
                self.next();
                return Ok(out);
            }
            match c {
                '$' => {
                    let value = self.dollar()?;
                    words.split(&value);
                    out.push_str(&value);
                }
                '<' => self.less_than(&mut out, words),
                '\'' | '"' if !self.mode.plain_quotes => {
                    let start = out.len();
                    if c == '"' {
                        self.double_quote(&mut out)?;
                    } else {
                        self.single_quote(&mut out)?;
                    }
                    words.raw(&out[start..]);
                }
                _ if c == self.escape => self.escaped(&mut out, words),
                _ => {
                    self.next();
                    words.char(c);
                    out.push(c);
                }
            }
        }
        // The callers that stop at a sign turn this into what they miss.
        if stop.is_some() { Err(ExpandError::MissingBrace) } else { Ok(out) }
    }

    fn escaped(&mut self, out: &mut String, words: &mut Words) {
        self.next();
        if self.raw_escapes {
            out.push(self.escape);
            words.raw_char(self.escape);
        }
        if let Some(c) = self.next() {
            out.push(c);
            words.raw_char(c);
        }
    }

    fn single_quote(&mut self, out: &mut String) -> Result<()> {
        self.next();
        let body = &self.text[self.pos..];
        let end = body.find('\'').ok_or(ExpandError::UnterminatedQuote("single"))?;
        self.pos += end + 1;
        let around = if self.mode.keep_quotes { "'" } else { "" };
        out.push_str(around);
        out.push_str(&body[..end]);
        out.push_str(around);
        Ok(())
    }

    fn double_quote(&mut self, out: &mut String) -> Result<()> {
        self.next();
        if self.mode.keep_quotes {
            out.push('"');
        }
        loop {
            match self.peek() {
                None => return Err(ExpandError::UnterminatedQuote("double")),
                Some('"') => break,
                Some('$') => {
                    let value = self.dollar()?;
                    out.push_str(&value);
                }
                Some(c) => {
                    self.next();
                    if c != self.escape {
                        out.push(c);
                        continue;
                    }
                    if self.raw_escapes {
                        out.push(c);
                    }
                    match self.peek() {
                        None => {}
                        Some(special) if special == '"' || special == '$' || special == self.escape => {
                            self.next();
                            out.push(special);
                        }
                        Some(_) => out.push(c),
                    }
                }
            }
        }
        self.next();
        if self.mode.keep_quotes {
            out.push('"');
        }
        Ok(())
    }

    /// Keeps the blanks between `<<` and a heredoc's name in one word.
    fn less_than(&mut self, out: &mut String, words: &mut Words) {
        let start = self.pos;
        self.next();
        if self.peek() == Some('<') {
            self.next();
            while matches!(self.peek(), Some('\t' | '\r' | ' ')) {
                self.next();
            }
        }
        let eaten = &self.text[start..self.pos];
        out.push_str(eaten);
        words.raw(eaten);
    }

    /// A substitution. What it gives is taken from the limit, inner ones too: the work is bounded, not the result alone.
    fn dollar(&mut self) -> Result<String> {
        let value = self.substitute()?;
        self.left = self.left.checked_sub(value.len()).ok_or(ExpandError::TooLong)?;
        Ok(value)
    }

    fn substitute(&mut self) -> Result<String> {
        self.next();
        if self.peek() != Some('{') {
            let name = self.name();
            if name.is_empty() {
                return Ok("$".to_owned());
            }
            return Ok(match self.get(name) {
                None if self.mode.keep_unset => format!("${name}"),
                value => value.unwrap_or_default(),
            });
        }
        self.next();
        match self.peek() {
            None => return Err(ExpandError::MissingBrace),
            Some('{' | '}' | ':') => return Err(ExpandError::NoName),
            Some(_) => {}
        }
        let name = self.name();
        match self.next() {
            Some('}') => Ok(match self.get(name) {
                None if self.mode.keep_unset => format!("${{{name}}}"),
                value => value.unwrap_or_default(),
            }),
            Some('/') => self.nested(|lexer| lexer.replace(name)),
            Some(sign @ ('+' | '-' | '?' | '#' | '%')) => {
                self.nested(|lexer| lexer.modify(name, sign, false))
            }
            Some(':') => match self.next() {
                Some(sign @ ('+' | '-' | '?')) => self.nested(|lexer| lexer.modify(name, sign, true)),
                Some(sign) => Err(ExpandError::Modifier(format!(":{sign}"))),
                None => Err(ExpandError::MissingBrace),
            },
            Some(sign) => Err(ExpandError::Modifier(sign.to_string())),
            None => Err(ExpandError::MissingBrace),
        }
    }

    fn nested(&mut self, then: impl FnOnce(&mut Self) -> Result<String>) -> Result<String> {
        if self.depth == MAX_DEPTH {
            return Err(ExpandError::TooDeep);
        }
        self.depth += 1;
        let result = then(self);
        self.depth -= 1;
        result
    }

    /// `${name` and its sign are eaten: applies the rest up to `}`.
    fn modify(&mut self, name: &str, sign: char, colon: bool) -> Result<String> {
        let raw = matches!(sign, '#' | '%');
        let word = self.until(Some('}'), raw, &mut Words::default())?;
        let value = self.get(name);
        if value.is_none() && self.mode.keep_unset {
            let colon = if colon { ":" } else { "" };
            return Ok(format!("${{{name}{colon}{sign}{word}}}"));
        }
        let present = value.as_ref().is_some_and(|value| !(colon && value.is_empty()));
        match sign {
            '-' => Ok(if present { value.unwrap_or_default() } else { word }),
            '+' => Ok(if present { word } else { String::new() }),
            '?' if present => Ok(value.unwrap_or_default()),
            '?' => {
                let fixed =
                    if value.is_none() { "is not allowed to be unset" } else { "is not allowed to be empty" };
                let message = if word.is_empty() { fixed.to_owned() } else { word };
                Err(ExpandError::Required { name: name.to_owned(), message })
            }
            _ => {
                let (word, longest) = word.strip_prefix(sign).map_or((&*word, false), |rest| (rest, true));
                pattern::trim(word, &value.unwrap_or_default(), sign == '%', longest)
            }
        }
    }

    /// `${name/` is eaten: applies `pattern/replacement}` or `/pattern/replacement}`.
    fn replace(&mut self, name: &str) -> Result<String> {
        let all = self.peek() == Some('/');
        if all {
            self.next();
        }
        let pattern =
            self.until(Some('/'), true, &mut Words::default()).map_err(|error| match self.peek() {
                None => ExpandError::MissingSlash,
                Some(_) => error,
            })?;
        let replacement = self.until(Some('}'), true, &mut Words::default())?;
        match self.get(name) {
            None if self.mode.keep_unset => Ok(format!("${{{name}/{pattern}/{replacement}}}")),
            value => pattern::replace(&pattern, &value.unwrap_or_default(), &replacement, all, self.left),
        }
    }

    /// Letters, digits and `_`; or digits alone; or one of the shell's special parameters.
    fn name(&mut self) -> &'a str {
        let rest = &self.text[self.pos..];
        let is_digit = |c: char| c.is_ascii_digit() || (!c.is_ascii() && c.is_numeric());
        let len = match rest.chars().next() {
            Some(c) if is_digit(c) => rest.find(|c| !is_digit(c)),
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => Some(1),
            _ => rest.find(|c: char| !(c.is_alphabetic() || is_digit(c) || c == '_')),
        };
        let name = &rest[..len.unwrap_or(rest.len())];
        self.pos += name.len();
        name
    }

    fn get(&mut self, name: &str) -> Option<String> {
        let value = (self.env)(name);
        self.found.used.insert(name.to_owned());
        if value.is_none() {
            self.found.unset.insert(name.to_owned());
        }
        value
    }
}

/// Collects words; blanks end one unless they come in raw.
#[derive(Default)]
struct Words {
    current: String,
    done: Vec<String>,
}

impl Words {
    fn char(&mut self, c: char) {
        if !c.is_whitespace() {
            self.current.push(c);
        } else if !self.current.is_empty() {
            self.done.push(std::mem::take(&mut self.current));
        }
    }

    fn split(&mut self, text: &str) {
        text.chars().for_each(|c| self.char(c));
    }

    fn raw_char(&mut self, c: char) {
        self.current.push(c);
    }

    fn raw(&mut self, text: &str) {
        self.current.push_str(text);
    }

    fn finish(mut self) -> Vec<String> {
        if !self.current.is_empty() {
            self.done.push(self.current);
        }
        self.done
    }
}
