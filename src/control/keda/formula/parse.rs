//! The grammar of formulas: expr-lang's operators with its precedences (parser/operator/operator.go).

use super::{Binary, Expr, FormulaError, Function, Unary, Value};

/// How deep a formula may nest: deeper ones would overflow the stack of whoever reads them.
const DEEPEST: usize = 100;

/// Reads a whole formula.
pub(super) fn parse(text: &str) -> Result<Expr, FormulaError> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0 };
    let tree = parser.expression(0)?;
    match parser.peek() {
        None => Ok(tree),
        Some(token) => Err(unexpected(token)),
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Int(i64),
    Float(f64),
    Name(String),
    Sign(&'static str),
}

fn unexpected(token: &Token) -> FormulaError {
    let shown = match token {
        Token::Int(value) => value.to_string(),
        Token::Float(value) => value.to_string(),
        Token::Name(name) => name.clone(),
        Token::Sign(sign) => (*sign).to_owned(),
    };
    FormulaError::new(format!("has `{shown}` where nothing can be made of it"))
}

/// Longer signs before those that they begin with.
const SIGNS: [&str; 29] = [
    "**", "??", "||", "&&", "==", "!=", "<=", ">=", "..", "+", "-", "*", "/", "%", "^", "<", ">",
    "!", "?", ":", "(", ")", "[", "]", "{", "}", ",", ";", "|",
];

fn tokens(text: &str) -> Result<Vec<Token>, FormulaError> {
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let Some(next) = rest.chars().next() else { return Ok(tokens) };
        if next.is_ascii_digit() || rest.starts_with('.') && digit_at(rest, 1) {
            let (token, length) = number(rest)?;
            tokens.push(token);
            rest = &rest[length..];
        } else if next.is_alphabetic() || next == '_' || next == '$' {
            let inside = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
            let end = rest.find(|c| !inside(c)).unwrap_or(rest.len());
            tokens.push(Token::Name(rest[..end].to_owned()));
            rest = &rest[end..];
        } else if next == '#' {
            tokens.push(Token::Sign("#"));
            rest = &rest[1..];
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            tokens.push(Token::Sign(sign));
            rest = &rest[sign.len()..];
        } else if next == '=' {
            tokens.push(Token::Sign("="));
            rest = &rest[1..];
        } else {
            return Err(FormulaError::new(format!("has a `{next}`, which is not simulated")));
        }
    }
}

fn digit_at(text: &str, at: usize) -> bool {
    text.as_bytes().get(at).is_some_and(u8::is_ascii_digit)
}

/// A number with its length in bytes. Two dots behind a number are a range.
fn number(text: &str) -> Result<(Token, usize), FormulaError> {
    let bytes = text.as_bytes();
    let digits = |mut at: usize| {
        while bytes.get(at).is_some_and(|byte| byte.is_ascii_digit() || *byte == b'_') {
            at += 1;
        }
        at
    };
    let mut end = digits(0);
    let mut whole = true;
    if bytes.get(end) == Some(&b'.') && bytes.get(end + 1) != Some(&b'.') {
        whole = false;
        end = digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        if digit_at(text, end + 1 + sign) {
            whole = false;
            end = digits(end + 1 + sign);
        }
    }
    let written = text[..end].replace('_', "");
    let token = if whole {
        written.parse().ok().map(Token::Int)
    } else {
        written.parse().ok().filter(|value: &f64| value.is_finite()).map(Token::Float)
    };
    let token = token.ok_or_else(|| FormulaError::new(format!("has the number `{written}`")))?;
    Ok((token, end))
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

type Parsed = Result<Expr, FormulaError>;

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn sees(&self, sign: &str) -> bool {
        matches!(self.peek(), Some(Token::Sign(found)) if *found == sign)
    }

    fn sees_name(&self, at: usize, name: &str) -> bool {
        matches!(self.tokens.get(at), Some(Token::Name(found)) if found == name)
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = self.sees(sign);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> Result<(), FormulaError> {
        if self.take(sign) {
            return Ok(());
        }
        Err(match self.peek() {
            Some(token) => unexpected(token),
            None => FormulaError::new(format!("ends where a `{sign}` is missing")),
        })
    }

    /// An expression whose binary operators bind at least so strongly.
    fn expression(&mut self, least: u32) -> Parsed {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(FormulaError::new("is nested too deeply"));
        }
        let read = self.operators(least);
        self.depth -= 1;
        read
    }

    fn operators(&mut self, least: u32) -> Parsed {
        if least == 0 && self.sees_name(self.at, "let") {
            return self.assignment();
        }
        let mut left = self.operand()?;
        loop {
            if least == 0 && self.take("|") {
                left = self.piped(left)?;
                continue;
            }
            let Some((operator, precedence, length)) = self.operator() else { break };
            if precedence < least {
                break;
            }
            self.at += length;
            // Powers group to the right, anything else to the left.
            let next = if operator == Binary::Power { precedence } else { precedence + 1 };
            let right = self.expression(next)?;
            left = Expr::Binary(operator, Box::new(left), Box::new(right));
        }
        if least == 0 && self.take("?") {
            let then = self.expression(0)?;
            self.expect(":")?;
            let other = self.expression(0)?;
            return Ok(Expr::If(Box::new(left), Box::new(then), Box::new(other)));
        }
        Ok(left)
    }

    /// The operator that comes next, how strongly it binds, and how many tokens it is.
    fn operator(&self) -> Option<(Binary, u32, usize)> {
        let single = |operator, precedence| Some((operator, precedence, 1));
        match self.peek()? {
            Token::Sign(sign) => match *sign {
                "||" => single(Binary::Or, 10),
                "&&" => single(Binary::And, 15),
                "==" => single(Binary::Equal, 20),
                "!=" => single(Binary::Unequal, 20),
                "<" => single(Binary::Less, 20),
                ">" => single(Binary::Greater, 20),
                "<=" => single(Binary::AtMost, 20),
                ">=" => single(Binary::AtLeast, 20),
                ".." => single(Binary::Range, 25),
                "+" => single(Binary::Add, 30),
                "-" => single(Binary::Subtract, 30),
                "*" => single(Binary::Multiply, 60),
                "/" => single(Binary::Divide, 60),
                "%" => single(Binary::Remainder, 60),
                "**" | "^" => single(Binary::Power, 100),
                "??" => single(Binary::Coalesce, 500),
                _ => None,
            },
            Token::Name(name) => match name.as_str() {
                "or" => single(Binary::Or, 10),
                "and" => single(Binary::And, 15),
                "in" => single(Binary::In, 20),
                "not" if self.sees_name(self.at + 1, "in") => Some((Binary::NotIn, 20, 2)),
                _ => None,
            },
            Token::Int(_) | Token::Float(_) => None,
        }
    }

    fn assignment(&mut self) -> Parsed {
        self.at += 1;
        let Some(Token::Name(name)) = self.peek().cloned() else {
            return Err(FormulaError::new("has a `let` without a name"));
        };
        self.at += 1;
        self.expect("=")?;
        let value = self.expression(0)?;
        self.expect(";")?;
        let rest = self.expression(0)?;
        Ok(Expr::Let(name, Box::new(value), Box::new(rest)))
    }

    fn operand(&mut self) -> Parsed {
        let unary = match self.peek() {
            Some(Token::Sign("-")) => Some((Unary::Minus, 90)),
            Some(Token::Sign("+")) => Some((Unary::Plus, 90)),
            Some(Token::Sign("!")) => Some((Unary::Not, 50)),
            Some(Token::Name(name)) if name == "not" => Some((Unary::Not, 50)),
            Some(_) | None => None,
        };
        if let Some((unary, precedence)) = unary {
            self.at += 1;
            let operand = self.expression(precedence)?;
            return Ok(Expr::Unary(unary, Box::new(operand)));
        }
        let mut operand = self.primary()?;
        while self.take("[") {
            let index = self.expression(0)?;
            self.expect("]")?;
            operand = Expr::Index(Box::new(operand), Box::new(index));
        }
        Ok(operand)
    }

    fn primary(&mut self) -> Parsed {
        let Some(token) = self.peek().cloned() else {
            return Err(FormulaError::new("ends where a value is missing"));
        };
        self.at += 1;
        match token {
            Token::Int(value) => Ok(Expr::Value(Value::Int(value))),
            Token::Float(value) => Ok(Expr::Value(Value::Float(value))),
            Token::Sign("#") => Ok(Expr::Element),
            Token::Sign("(") => {
                let inside = self.expression(0)?;
                self.expect(")")?;
                Ok(inside)
            }
            Token::Sign("[") => Ok(Expr::List(self.arguments("]")?)),
            Token::Name(name) => match name.as_str() {
                "true" => Ok(Expr::Value(Value::Bool(true))),
                "false" => Ok(Expr::Value(Value::Bool(false))),
                "nil" => Ok(Expr::Value(Value::Nil)),
                _ if self.take("(") => self.call(&name, None),
                _ => Ok(Expr::Name(name)),
            },
            Token::Sign(_) => Err(unexpected(&token)),
        }
    }

    /// What stands between brackets, up to the closing one; a comma at the end is no error.
    fn arguments(&mut self, closing: &str) -> Result<Vec<Expr>, FormulaError> {
        let mut all = Vec::new();
        while !self.take(closing) {
            all.push(self.expression(0)?);
            if !self.sees(closing) {
                self.expect(",")?;
            }
        }
        Ok(all)
    }

    /// `list | sum()`: what stands before is the first argument.
    fn piped(&mut self, first: Expr) -> Parsed {
        let Some(Token::Name(name)) = self.peek().cloned() else {
            return Err(FormulaError::new("has a `|` without a function behind it"));
        };
        self.at += 1;
        self.expect("(")?;
        self.call(&name, Some(first))
    }

    /// A call whose opening bracket is taken.
    fn call(&mut self, name: &str, first: Option<Expr>) -> Parsed {
        let Some(function) = Function::named(name) else {
            return Err(FormulaError::new(format!(
                "calls `{name}`, which is no function or is not simulated"
            )));
        };
        let (may, must) = function.predicate();
        if !may {
            let mut all: Vec<Expr> = first.into_iter().collect();
            all.extend(self.arguments(")")?);
            return Ok(Expr::Call(function, all));
        }
        let list = match first {
            Some(list) => list,
            None => {
                let list = self.expression(0)?;
                if !self.sees(")") {
                    self.expect(",")?;
                }
                list
            }
        };
        if !must && self.take(")") {
            return Ok(Expr::Call(function, vec![list]));
        }
        let braces = self.take("{");
        let predicate = self.expression(0)?;
        if braces {
            self.expect("}")?;
        }
        self.take(",");
        self.expect(")")?;
        Ok(Expr::Each(function, Box::new(list), Box::new(predicate)))
    }
}
