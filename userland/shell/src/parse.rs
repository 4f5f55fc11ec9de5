//! From text to commands: [`parse`].
//!
//! | text | meaning |
//! |---|---|
//! | `a; b`, a newline | one after the other |
//! | `a && b`, `a \|\| b` | `b` after success, after failure |
//! | `a \| b` | a pipeline: what `a` writes, `b` reads; `! a \| b` turns the status around |
//! | `a &` | in the background |
//! | `< F`, `> F`, `>> F`, `<> F`, `2> F`, `2>&1`, `2>&-` | redirections, carried out from left to right |
//! | `NAME=VALUE` | before a command: its environment only; alone: a variable of the shell |
//! | `'...'`, `"..."`, `\` | quoting; in double quotes `$` keeps its meaning |
//! | `$NAME`, `${NAME}`, `$?`, `$$`, `$!`, `$#`, `$@`, `$0`..`$9` | parameters |
//! | `# ...` | at the start of a word: a comment |
//!
//! Parameters stay [`Piece::Parameter`]s here; [`expand`](crate::expand) puts their values in when a command runs.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::iter::Peekable;
use core::str::Chars;

/// When a pipeline runs, given how the one before it ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum When {
    /// In any case.
    #[default]
    Always,
    /// After success (`&&`).
    Success,
    /// After failure (`||`).
    Failure,
}

/// Where a job runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Ground {
    /// The shell waits for it.
    #[default]
    Fore,
    /// The shell goes on (`&`).
    Back,
}

/// Pipelines joined by `&&` and `||`: what a `&` or a `;` ends.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Job {
    /// The pipelines, each with its condition.
    pub steps: Vec<(When, Pipeline)>,
    /// Where it runs.
    pub ground: Ground,
    /// The text it was made of, to be shown.
    pub text: String,
}

/// Commands that run at the same time, each reading what the one before it writes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Pipeline {
    /// Success and failure change places (`!`).
    pub inverted: bool,
    /// At least one.
    pub commands: Vec<Command>,
}

/// One command.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Command {
    /// `NAME=VALUE` before it.
    pub assignments: Vec<(String, Word)>,
    /// Its name and arguments.
    pub words: Vec<Word>,
    /// What happens to its descriptors.
    pub redirections: Vec<Redirection>,
}

/// A change of one descriptor.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Redirection {
    /// The descriptor that changes.
    pub descriptor: i32,
    /// What it becomes.
    pub target: Target,
}

/// What a descriptor becomes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// `< FILE`.
    Read(Word),
    /// `> FILE`: made or emptied.
    Write(Word),
    /// `>> FILE`.
    Append(Word),
    /// `<> FILE`.
    ReadWrite(Word),
    /// `>&N`: the same as another descriptor.
    Same(i32),
    /// `>&-`.
    Closed,
}

/// A word before its parameters have values.
pub type Word = Vec<Piece>;

/// Part of a word.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Piece {
    /// As it stands; a pattern if it is not quoted.
    Text(String, Quoting),
    /// To be replaced; its blanks part words if it is not quoted.
    Parameter(Parameter, Quoting),
}

/// Whether quotes protect a piece.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Quoting {
    /// Blanks and patterns mean something.
    Bare,
    /// Every character means itself.
    Quoted,
}

/// What follows a dollar sign.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Parameter {
    /// `$?`: the status of the last command.
    Status,
    /// `$$`: the shell's process.
    Process,
    /// `$!`: the last process started in the background.
    Background,
    /// `$#`: how many arguments there are.
    Count,
    /// `$@`, `$*`: all arguments.
    All,
    /// `$0`..`$9`: an argument.
    Argument(usize),
    /// `$NAME`.
    Variable(String),
}

/// What is wrong with a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SyntaxError {
    /// A quote has no end.
    OpenQuote(char),
    /// Something ought to stand before this.
    Unexpected(Box<str>),
    /// The line ends where something ought to follow.
    Unfinished,
    /// A redirection without a file, or with a descriptor that there cannot be.
    BadRedirection,
    /// `${` without a name and a `}`.
    BadParameter,
}

impl core::fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::OpenQuote(quote) => write!(f, "the quote {quote} is not closed"),
            Self::Unexpected(token) => write!(f, "no command before `{token}`"),
            Self::Unfinished => f.write_str("the line ends where a command should follow"),
            Self::BadRedirection => f.write_str("a redirection needs a file or a descriptor"),
            Self::BadParameter => f.write_str("`${` needs a name and a `}`"),
        }
    }
}

/// Descriptors that a redirection may name.
const DESCRIPTORS: core::ops::Range<i32> = 0..256;

/// Takes a text apart.
///
/// # Errors
/// [`SyntaxError`]; then nothing of the text is to run.
pub fn parse(text: &str) -> Result<Vec<Job>, SyntaxError> {
    let mut parser = Parser {
        text,
        rest: text.chars().peekable(),
        remaining: text.len(),
    };
    let mut jobs = Vec::new();
    while let Some(job) = parser.job()? {
        jobs.push(job);
    }
    Ok(jobs)
}

/// What parts commands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Joint {
    /// `;`, a newline, or the end.
    Next,
    /// `&`.
    Background,
    /// `&&` or `||`.
    If(When),
    /// `|`.
    Pipe,
}

impl Joint {
    fn text(self) -> &'static str {
        match self {
            Self::Next => ";",
            Self::Background => "&",
            Self::If(When::Failure) => "||",
            Self::If(_) => "&&",
            Self::Pipe => "|",
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    rest: Peekable<Chars<'a>>,
    /// Bytes of `rest`.
    remaining: usize,
}

impl Parser<'_> {
    fn next(&mut self) -> Option<char> {
        let next = self.rest.next()?;
        self.remaining -= next.len_utf8();
        Some(next)
    }

    fn next_if(&mut self, wanted: char) -> bool {
        self.rest.peek() == Some(&wanted) && self.next().is_some()
    }

    fn position(&self) -> usize {
        self.text.len() - self.remaining
    }

    /// Everything up to a `;`, a `&` or the end of a line; `None` at the end of the text.
    fn job(&mut self) -> Result<Option<Job>, SyntaxError> {
        while self.skip_blanks()
            && self
                .rest
                .peek()
                .is_some_and(|next| matches!(next, ';' | '\n'))
        {
            self.next();
        }
        if self.rest.peek().is_none() {
            return Ok(None);
        }
        let start = self.position();
        let mut job = Job::default();
        let mut when = When::Always;
        loop {
            let (pipeline, end, joint) = self.pipeline()?;
            job.steps.push((when, pipeline));
            match joint {
                Joint::If(next) => when = next,
                Joint::Background => job.ground = Ground::Back,
                Joint::Next | Joint::Pipe => {}
            }
            if !matches!(joint, Joint::If(_)) {
                job.text.push_str(self.text[start..end].trim_end());
                return Ok(Some(job));
            }
        }
    }

    /// Commands joined by `|`, where they end, and what follows.
    fn pipeline(&mut self) -> Result<(Pipeline, usize, Joint), SyntaxError> {
        let mut pipeline = Pipeline::default();
        self.skip_blanks();
        while self.bang() {
            pipeline.inverted = !pipeline.inverted;
            self.skip_blanks();
        }
        loop {
            let command = self.command()?;
            let end = self.position();
            let joint = self.joint();
            if command == Command::default() {
                return Err(match joint {
                    Joint::Next if self.rest.peek().is_none() => SyntaxError::Unfinished,
                    joint => SyntaxError::Unexpected(joint.text().into()),
                });
            }
            pipeline.commands.push(command);
            if joint != Joint::Pipe {
                return Ok((pipeline, end, joint));
            }
            // A line may end after a `|`.
            while self.skip_blanks() && self.next_if('\n') {}
        }
    }

    /// A `!` that stands alone.
    fn bang(&mut self) -> bool {
        let mut ahead = self.rest.clone();
        let alone = ahead.next() == Some('!') && ahead.next().is_none_or(char::is_whitespace);
        alone && self.next().is_some()
    }

    /// Skips blanks and a comment; always true.
    fn skip_blanks(&mut self) -> bool {
        while let Some(next) = self.rest.peek().copied() {
            match next {
                ' ' | '\t' | '\r' => {}
                '#' => {
                    while self.rest.peek().is_some_and(|next| *next != '\n') {
                        self.next();
                    }
                    continue;
                }
                _ => break,
            }
            self.next();
        }
        true
    }

    fn joint(&mut self) -> Joint {
        match self.next() {
            Some('&') if self.next_if('&') => Joint::If(When::Success),
            Some('|') if self.next_if('|') => Joint::If(When::Failure),
            Some('&') => Joint::Background,
            Some('|') => Joint::Pipe,
            _ => Joint::Next,
        }
    }

    fn command(&mut self) -> Result<Command, SyntaxError> {
        let mut command = Command::default();
        loop {
            self.skip_blanks();
            match self.rest.peek().copied() {
                None | Some('\n' | ';' | '&' | '|') => return Ok(command),
                Some('<' | '>') => {
                    let redirection = self.redirection(None)?;
                    command.redirections.push(redirection);
                }
                Some(_) => self.word_of(&mut command)?,
            }
        }
    }

    /// A word, an assignment, or the number before a redirection.
    fn word_of(&mut self, command: &mut Command) -> Result<(), SyntaxError> {
        let word = self.word()?;
        if let ([Piece::Text(digits, Quoting::Bare)], Some('<' | '>')) =
            (&word[..], self.rest.peek())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
        {
            let number = digits.parse().map_err(|_| SyntaxError::BadRedirection)?;
            let redirection = self.redirection(Some(number))?;
            command.redirections.push(redirection);
        } else if command.words.is_empty()
            && let Some(assignment) = assignment(&word)
        {
            command.assignments.push(assignment);
        } else {
            command.words.push(word);
        }
        Ok(())
    }

    fn redirection(&mut self, number: Option<i32>) -> Result<Redirection, SyntaxError> {
        let (standard, kind): (i32, fn(Word) -> Target) = match self.next() {
            Some('<') if self.next_if('>') => (0, Target::ReadWrite),
            Some('<') => (0, Target::Read),
            _ if self.next_if('>') => (1, Target::Append),
            _ => (1, Target::Write),
        };
        let descriptor = number.unwrap_or(standard);
        if !DESCRIPTORS.contains(&descriptor) {
            return Err(SyntaxError::BadRedirection);
        }
        let same = self.next_if('&');
        self.skip_blanks();
        if matches!(
            self.rest.peek(),
            None | Some('\n' | ';' | '&' | '|' | '<' | '>')
        ) {
            return Err(SyntaxError::BadRedirection);
        }
        let word = self.word()?;
        let target = if same { same_as(&word)? } else { kind(word) };
        Ok(Redirection { descriptor, target })
    }

    fn word(&mut self) -> Result<Word, SyntaxError> {
        let mut word = WordBuilder::default();
        while let Some(next) = self.rest.peek().copied() {
            if matches!(next, ' ' | '\t' | '\r' | '\n' | ';' | '&' | '|' | '<' | '>') {
                break;
            }
            self.next();
            match next {
                '\'' => self.single_quoted(&mut word)?,
                '"' => self.double_quoted(&mut word)?,
                '\\' => word.extend(self.next().filter(|next| *next != '\n'), Quoting::Quoted),
                '$' => self.dollar(&mut word, Quoting::Bare)?,
                other => word.extend(Some(other), Quoting::Bare),
            }
        }
        Ok(word.pieces)
    }

    fn single_quoted(&mut self, word: &mut WordBuilder) -> Result<(), SyntaxError> {
        word.extend(None, Quoting::Quoted);
        loop {
            match self.next() {
                None => return Err(SyntaxError::OpenQuote('\'')),
                Some('\'') => return Ok(()),
                other => word.extend(other, Quoting::Quoted),
            }
        }
    }

    fn double_quoted(&mut self, word: &mut WordBuilder) -> Result<(), SyntaxError> {
        word.extend(None, Quoting::Quoted);
        loop {
            match self.next() {
                None => return Err(SyntaxError::OpenQuote('"')),
                Some('"') => return Ok(()),
                Some('$') => self.dollar(word, Quoting::Quoted)?,
                // Elsewhere a backslash in double quotes means itself.
                Some('\\') if matches!(self.rest.peek(), Some('"' | '\\' | '$' | '`')) => {
                    word.extend(self.next(), Quoting::Quoted);
                }
                other => word.extend(other, Quoting::Quoted),
            }
        }
    }

    /// What follows a dollar sign, or the sign itself.
    fn dollar(&mut self, word: &mut WordBuilder, quoting: Quoting) -> Result<(), SyntaxError> {
        let parameter = match self.rest.peek().copied() {
            Some('{') => {
                self.next();
                let parameter = self.parameter().ok_or(SyntaxError::BadParameter)?;
                if !self.next_if('}') {
                    return Err(SyntaxError::BadParameter);
                }
                Some(parameter)
            }
            _ => self.parameter(),
        };
        match parameter {
            Some(parameter) => word.pieces.push(Piece::Parameter(parameter, quoting)),
            None => word.extend(Some('$'), quoting),
        }
        Ok(())
    }

    fn parameter(&mut self) -> Option<Parameter> {
        let first = self.rest.peek().copied()?;
        let parameter = match first {
            '?' => Parameter::Status,
            '$' => Parameter::Process,
            '!' => Parameter::Background,
            '#' => Parameter::Count,
            '@' | '*' => Parameter::All,
            '0'..='9' => Parameter::Argument(first.to_digit(10)? as usize),
            'a'..='z' | 'A'..='Z' | '_' => return Some(Parameter::Variable(self.name())),
            _ => return None,
        };
        self.next();
        Some(parameter)
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(next) = self.rest.peek().copied().filter(|next| in_name(*next)) {
            name.push(next);
            self.next();
        }
        name
    }
}

/// A word in the making.
#[derive(Default)]
struct WordBuilder {
    pieces: Word,
}

impl WordBuilder {
    /// Adds a character; without one, quotes make at least an empty text.
    fn extend(&mut self, character: Option<char>, quoting: Quoting) {
        match self.pieces.last_mut() {
            Some(Piece::Text(text, last)) if *last == quoting => text.extend(character),
            _ => {
                let text = character.into_iter().collect();
                self.pieces.push(Piece::Text(text, quoting));
            }
        }
    }
}

fn in_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// Whether a variable may be called so.
pub fn is_name(text: &str) -> bool {
    text.chars().all(in_name) && !text.is_empty() && !text.starts_with(|c: char| c.is_ascii_digit())
}

/// The word as `NAME=VALUE`.
fn assignment(word: &Word) -> Option<(String, Word)> {
    let Some((Piece::Text(first, Quoting::Bare), rest)) = word.split_first() else {
        return None;
    };
    let (name, value) = first.split_once('=').filter(|(name, _)| is_name(name))?;
    let mut pieces = Word::new();
    if !value.is_empty() {
        pieces.push(Piece::Text(value.into(), Quoting::Bare));
    }
    pieces.extend_from_slice(rest);
    Some((name.into(), pieces))
}

/// What stands behind `>&`.
fn same_as(word: &Word) -> Result<Target, SyntaxError> {
    let [Piece::Text(text, _)] = &word[..] else {
        return Err(SyntaxError::BadRedirection);
    };
    if text == "-" {
        return Ok(Target::Closed);
    }
    let number = text
        .parse()
        .ok()
        .filter(|number| DESCRIPTORS.contains(number));
    number.map(Target::Same).ok_or(SyntaxError::BadRedirection)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec;

    fn bare(text: &str) -> Word {
        vec![Piece::Text(text.into(), Quoting::Bare)]
    }

    fn one(line: &str) -> Command {
        let mut jobs = parse(line).unwrap();
        assert_eq!(jobs.len(), 1, "{line}");
        jobs.remove(0).steps.remove(0).1.commands.remove(0)
    }

    #[test]
    fn words_are_parted_by_blanks_and_kept_by_quotes() {
        assert_eq!(
            one("  ls   -l /bin ").words,
            [bare("ls"), bare("-l"), bare("/bin")]
        );
        let quoted = |text: &str| Piece::Text(text.into(), Quoting::Quoted);
        let words = one(r#"echo 'a  b' "c 'd'" e\ f g"h"i '' "\q""#).words;
        assert_eq!(words[1], [quoted("a  b")]);
        assert_eq!(words[2], [quoted("c 'd'")]);
        assert_eq!(
            words[3],
            [bare("e").remove(0), quoted(" "), bare("f").remove(0)]
        );
        assert_eq!(
            words[4],
            [bare("g").remove(0), quoted("h"), bare("i").remove(0)]
        );
        assert_eq!(words[5], [quoted("")]);
        assert_eq!(words[6], [quoted("\\q")]);
        assert_eq!(one("echo a#b # comment ; x").words.len(), 2);
    }

    #[test]
    fn parameters_are_found_in_and_out_of_quotes() {
        let words = one(r#"$? x$HOME "${A}b$" '$?' $5 $#"#).words;
        let variable =
            |name: &str, quoting| Piece::Parameter(Parameter::Variable(name.into()), quoting);
        assert_eq!(
            words[0],
            [Piece::Parameter(Parameter::Status, Quoting::Bare)]
        );
        assert_eq!(
            words[1],
            [bare("x").remove(0), variable("HOME", Quoting::Bare)]
        );
        let empty = Piece::Text(String::new(), Quoting::Quoted);
        let rest = Piece::Text("b$".into(), Quoting::Quoted);
        assert_eq!(words[2], [empty, variable("A", Quoting::Quoted), rest]);
        assert_eq!(words[3], [Piece::Text("$?".into(), Quoting::Quoted)]);
        assert_eq!(
            words[4],
            [Piece::Parameter(Parameter::Argument(5), Quoting::Bare)]
        );
        assert_eq!(
            words[5],
            [Piece::Parameter(Parameter::Count, Quoting::Bare)]
        );
        assert_eq!(parse("echo ${"), Err(SyntaxError::BadParameter));
        assert_eq!(parse("echo ${A"), Err(SyntaxError::BadParameter));
    }

    #[test]
    fn jobs_know_their_joints_and_their_text() {
        let jobs = parse("a 1; b && c||d & e | f|g\n\n! h;").unwrap();
        let shape: Vec<_> = jobs
            .iter()
            .map(|job| (job.text.as_str(), job.ground, job.steps.len()))
            .collect();
        assert_eq!(
            shape,
            [
                ("a 1", Ground::Fore, 1),
                ("b && c||d", Ground::Back, 3),
                ("e | f|g", Ground::Fore, 1),
                ("! h", Ground::Fore, 1),
            ]
        );
        assert_eq!(jobs[1].steps[1].0, When::Success);
        assert_eq!(jobs[1].steps[2].0, When::Failure);
        assert_eq!(jobs[2].steps[0].1.commands.len(), 3);
        assert!(jobs[3].steps[0].1.inverted);
        assert!(parse("  # nothing").unwrap().is_empty());
        assert!(parse(" ;;\n;").unwrap().is_empty());
    }

    #[test]
    fn redirections_name_descriptor_and_target() {
        let command = one("a <in 2>>err >out 2>&1 3<> both 4>&- b");
        assert_eq!(command.words, [bare("a"), bare("b")]);
        let expected = [
            (0, Target::Read(bare("in"))),
            (2, Target::Append(bare("err"))),
            (1, Target::Write(bare("out"))),
            (2, Target::Same(1)),
            (3, Target::ReadWrite(bare("both"))),
            (4, Target::Closed),
        ];
        let found = command.redirections.into_iter();
        let found: Vec<_> = found
            .map(|change| (change.descriptor, change.target))
            .collect();
        assert_eq!(found, expected);
        // A number with a blank behind it is a word.
        assert_eq!(one("echo 2 >out").words.len(), 2);
        for line in ["a >", "a > ; b", "a 2>&x", "a 999>b", "a >&"] {
            assert_eq!(parse(line), Err(SyntaxError::BadRedirection), "{line}");
        }
    }

    #[test]
    fn assignments_stand_before_the_command_only() {
        let command = one("A=1 B=$A c D=2");
        assert_eq!(command.assignments.len(), 2);
        assert_eq!(command.assignments[0], ("A".into(), bare("1")));
        assert_eq!(command.words, [bare("c"), bare("D=2")]);
        assert_eq!(one("9A=1").words, [bare("9A=1")]);
        assert!(is_name("_a9") && !is_name("9") && !is_name(""));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(parse("echo 'x"), Err(SyntaxError::OpenQuote('\'')));
        assert_eq!(parse("echo \"x"), Err(SyntaxError::OpenQuote('"')));
        assert_eq!(parse("a |"), Err(SyntaxError::Unfinished));
        assert_eq!(parse("a &&"), Err(SyntaxError::Unfinished));
        assert_eq!(parse("!"), Err(SyntaxError::Unfinished));
        assert_eq!(parse("&& a"), Err(SyntaxError::Unexpected("&&".into())));
        assert_eq!(parse("a | | b"), Err(SyntaxError::Unexpected("|".into())));
        assert_eq!(parse("a && ; b"), Err(SyntaxError::Unexpected(";".into())));
        assert_eq!(parse("& a"), Err(SyntaxError::Unexpected("&".into())));
    }

    #[test]
    fn any_text_is_parsed_or_refused() {
        let pieces = [
            "a", " ", "'", "\"", "$", "{", "}", ">", "<", "&", "|", ";", "\n", "2", "=", "\\", "#",
            "!", "\u{e4}",
        ];
        let mut state = 1u32;
        for _ in 0..20_000 {
            let mut line = String::new();
            for _ in 0..12 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                line.push_str(pieces[(state >> 16) as usize % pieces.len()]);
            }
            let Ok(jobs) = parse(&line) else { continue };
            let whole = |pipeline: &Pipeline| !pipeline.commands.is_empty();
            assert!(
                jobs.iter()
                    .all(|job| job.steps.iter().all(|step| whole(&step.1)))
            );
        }
    }
}
