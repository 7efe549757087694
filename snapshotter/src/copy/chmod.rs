//! `--chmod`: octal numbers and chmod(1)'s symbolic modes.

use super::{CopyError, Mode};

/// A mode change that was checked.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Octal(u32),
    Symbolic(Vec<Clause>),
}

/// `go+rX`: whose bits, and what happens to them in order.
#[derive(Debug, Clone)]
pub(super) struct Clause {
    /// Bits of user, group and others that may change, set-id and sticky included.
    who: u32,
    actions: Vec<(Operator, Bits)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Add,
    Remove,
    Set,
}

/// What stands after an operator.
#[derive(Debug, Clone, Copy, Default)]
struct Bits {
    /// `rwx` as 0 to 7, for each of those concerned.
    plain: u32,
    /// `X`: execute for directories, and for files that somebody may execute.
    conditional: bool,
    set_id: bool,
    sticky: bool,
    /// `u`, `g` or `o`: the bits that these have, as the shift to them.
    copy: Option<u32>,
}

const USER: u32 = 0o4700;
const GROUP: u32 = 0o2070;
const OTHER: u32 = 0o0007;
const STICKY: u32 = 0o1000;

impl Change {
    pub(super) fn new(chmod: &Mode) -> Result<Change, CopyError> {
        match chmod {
            Mode::Octal(mode) if *mode <= 0o7777 => Ok(Change::Octal(*mode)),
            Mode::Octal(mode) => Err(CopyError::BadMode(format!("{mode:o}"))),
            Mode::Symbolic(text) => {
                let clauses: Option<Vec<Clause>> = text.split(',').map(clause).collect();
                clauses.map(Change::Symbolic).ok_or_else(|| CopyError::BadMode(text.clone()))
            }
        }
    }

    /// The mode of a copied path that had `mode`.
    pub(super) fn apply(&self, mode: u32, is_dir: bool) -> u32 {
        match self {
            Change::Octal(octal) => *octal,
            Change::Symbolic(clauses) => clauses.iter().fold(mode, |mode, clause| clause.apply(mode, is_dir)),
        }
    }

    /// The permission bits of a directory made on the way to the destination.
    pub(super) fn made_dir(&self) -> Option<u32> {
        match self {
            Change::Octal(octal) => Some(octal & 0o777),
            Change::Symbolic(_) => None,
        }
    }
}

impl Clause {
    fn apply(&self, mode: u32, is_dir: bool) -> u32 {
        self.actions.iter().fold(mode, |mode, (operator, bits)| {
            let bits = bits.spread(mode, is_dir) & self.who;
            match operator {
                Operator::Add => mode | bits,
                Operator::Remove => mode & !bits,
                // As chmod(1): `=` clears a directory's set-id bits only if they are named.
                Operator::Set => {
                    (mode & !(self.who & 0o777) & !(if is_dir { 0 } else { self.who & 0o7000 })) | bits
                }
            }
        })
    }
}

impl Bits {
    fn spread(self, mode: u32, is_dir: bool) -> u32 {
        let copied = self.copy.map_or(0, |shift| (mode >> shift) & 7);
        let execute = self.conditional && (is_dir || mode & 0o111 != 0);
        let each = self.plain | copied | u32::from(execute);
        let set_id = if self.set_id { 0o6000 } else { 0 };
        let sticky = if self.sticky { STICKY } else { 0 };
        (each * 0o111) | set_id | sticky
    }
}

fn clause(text: &str) -> Option<Clause> {
    let start = text.find(['+', '-', '='])?;
    let mut who = 0;
    for letter in text[..start].chars() {
        who |= match letter {
            'u' => USER,
            'g' => GROUP,
            'o' => OTHER | STICKY,
            'a' => 0o7777,
            _ => return None,
        };
    }
    let mut clause = Clause { who: if who == 0 { 0o7777 } else { who }, actions: Vec::new() };
    for letter in text[start..].chars() {
        let operator = match letter {
            '+' => Operator::Add,
            '-' => Operator::Remove,
            '=' => Operator::Set,
            _ => {
                permission(letter, &mut clause.actions.last_mut()?.1)?;
                continue;
            }
        };
        clause.actions.push((operator, Bits::default()));
    }
    Some(clause)
}

fn permission(letter: char, bits: &mut Bits) -> Option<()> {
    match letter {
        'r' => bits.plain |= 4,
        'w' => bits.plain |= 2,
        'x' => bits.plain |= 1,
        'X' => bits.conditional = true,
        's' => bits.set_id = true,
        't' => bits.sticky = true,
        'u' => bits.copy = Some(6),
        'g' => bits.copy = Some(3),
        'o' => bits.copy = Some(0),
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests;
