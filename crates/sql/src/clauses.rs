//! Reorders tokens where Spark's order of clauses differs from the one that `sqlparser` reads.
//! Every token keeps its position in the text, so errors still point to it.

use crate::pivot_items;
use crate::tokens::is_keyword;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Span, Token, TokenWithSpan, Word};

/// The alias for a lateral view's columns if the text has none.
pub(crate) const NO_ALIAS: &str = "#none";

/// Words that start a clause of a query.
const CLAUSES: [Keyword; 20] = [
    Keyword::SELECT,
    Keyword::FROM,
    Keyword::JOIN,
    Keyword::ON,
    Keyword::WHERE,
    Keyword::GROUP,
    Keyword::HAVING,
    Keyword::ORDER,
    Keyword::SORT,
    Keyword::CLUSTER,
    Keyword::DISTRIBUTE,
    Keyword::LIMIT,
    Keyword::OFFSET,
    Keyword::WINDOW,
    Keyword::UNION,
    Keyword::EXCEPT,
    Keyword::INTERSECT,
    Keyword::MINUS,
    Keyword::LATERAL,
    Keyword::QUALIFY,
];

/// Turns the tokens of Spark's text into the ones that `sqlparser` expects.
pub(crate) fn rearrange(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let has = |word| tokens.iter().any(|t| is_keyword(&t.token, word));
    let (table, values) = (has(Keyword::TABLE), has(Keyword::VALUES));
    let (view, having) = (has(Keyword::VIEW), has(Keyword::HAVING) || has(Keyword::WINDOW));
    let (pivot, unpivot) = (has(Keyword::PIVOT), has(Keyword::UNPIVOT));
    let mut tokens = tokens;
    if table {
        tokens = select_from_table(tokens);
    }
    if values {
        tokens = parenthesise_rows(tokens);
        if pivot || unpivot {
            tokens = parenthesise_tables(tokens);
        }
    }
    if view {
        tokens = name_view_columns(tokens);
    }
    if having {
        sort_before_having(&mut tokens);
    }
    if pivot { pivot_items::as_calls(tokens) } else { tokens }
}

/// Limit on nested tables in double parentheses.
const MAX_DOUBLE_PARENTHESES: usize = 10;

/// Whether a query is nested in so many double parentheses, `FROM ((`, that `sqlparser`, which
/// tries two readings of each, would take exponential time.
pub(crate) fn is_entangled(tokens: &[TokenWithSpan]) -> bool {
    // For each open parenthesis, whether it is the first of two in the place of a table.
    let mut open: Vec<bool> = Vec::new();
    let mut doubled = 0;
    for (i, token) in tokens.iter().enumerate() {
        match &token.token {
            Token::LParen => {
                let next = tokens.get(i + 1).is_some_and(|t| t.token == Token::LParen);
                let table = i.checked_sub(1).is_some_and(|before| match &tokens[before].token {
                    Token::Comma | Token::LParen => true,
                    word => is_keyword(word, Keyword::FROM) || is_keyword(word, Keyword::JOIN),
                });
                open.push(next && table);
                doubled += usize::from(next && table);
            }
            Token::RParen => doubled -= usize::from(open.pop() == Some(true)),
            word if is_keyword(word, Keyword::SELECT) && doubled > MAX_DOUBLE_PARENTHESES => {
                return true;
            }
            _ => {}
        }
    }
    false
}

/// `TABLE t` as a query becomes `SELECT * FROM t`.
fn select_from_table(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len() + 4);
    for (i, token) in tokens.iter().enumerate() {
        let begins = match out.last().map(|t| &t.token) {
            None | Some(Token::SemiColon | Token::LParen) => true,
            Some(Token::Word(word)) if word.quote_style.is_none() => matches!(
                word.keyword,
                Keyword::UNION
                    | Keyword::INTERSECT
                    | Keyword::EXCEPT
                    | Keyword::MINUS
                    | Keyword::ALL
                    | Keyword::DISTINCT
            ),
            Some(_) => false,
        };
        let names = matches!(tokens.get(i + 1).map(|t| &t.token), Some(Token::Word(_)));
        if begins && names && is_keyword(&token.token, Keyword::TABLE) {
            let select = Token::make_keyword("SELECT");
            for new in [select, Token::Mul, Token::make_keyword("FROM")] {
                out.push(TokenWithSpan { token: new, span: token.span });
            }
        } else if is_table_named_table(out.last().map(|t| &t.token), &tokens[i..]) {
            let name =
                Word { value: "table".into(), quote_style: Some('`'), keyword: Keyword::NoKeyword };
            out.push(TokenWithSpan { token: Token::Word(name), span: token.span });
        } else {
            out.push(token.clone());
        }
    }
    out
}

/// Whether `FROM TABLE` names a table: the word is not reserved.
fn is_table_named_table(before: Option<&Token>, rest: &[TokenWithSpan]) -> bool {
    let from = |word| is_keyword(word, Keyword::FROM) || is_keyword(word, Keyword::JOIN);
    let [token, rest @ ..] = rest else { return false };
    is_keyword(&token.token, Keyword::TABLE)
        && before.is_some_and(from)
        && rest.first().is_none_or(|next| next.token != Token::LParen)
}

/// `VALUES 1, 2` becomes `VALUES (1), (2)`.
fn parenthesise_rows(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut out = Vec::with_capacity(tokens.len());
    let mut i = 0;
    while i < tokens.len() {
        let values = is_keyword(&tokens[i].token, Keyword::VALUES)
            && tokens.get(i + 1).is_some_and(|next| begins_value(&next.token))
            && out.last().is_none_or(|t: &TokenWithSpan| t.token != Token::Period);
        out.push(tokens[i].clone());
        i += 1;
        if !values {
            continue;
        }
        loop {
            let end = row_end(&tokens, i);
            let bare = end > i && tokens[i].token != Token::LParen;
            let span = tokens.get(i).map_or_else(Span::empty, |t| t.span);
            if bare {
                out.push(TokenWithSpan { token: Token::LParen, span });
            }
            // Rows in parentheses may contain `VALUES` in a subquery.
            out.extend(parenthesise_rows_within(&tokens[i..end]));
            if bare {
                out.push(TokenWithSpan { token: Token::RParen, span });
            }
            i = end;
            match tokens.get(i) {
                Some(comma) if comma.token == Token::Comma && end_is_row(&tokens, i) => {
                    out.push(comma.clone());
                    i += 1;
                }
                _ => break,
            }
        }
    }
    out
}

/// `FROM VALUES (1), (2)` becomes `FROM (VALUES (1), (2))`: `sqlparser` reads no `PIVOT` behind the
/// former.
fn parenthesise_tables(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len() + 2);
    let mut i = 0;
    while i < tokens.len() {
        let is_table = out.last().is_some_and(|t| {
            is_keyword(&t.token, Keyword::FROM) || is_keyword(&t.token, Keyword::JOIN)
        });
        if !is_table || !is_keyword(&tokens[i].token, Keyword::VALUES) {
            out.push(tokens[i].clone());
            i += 1;
            continue;
        }
        let mut end = row_end(&tokens, i + 1);
        while tokens.get(end).is_some_and(|t| t.token == Token::Comma) {
            end = row_end(&tokens, end + 1);
        }
        let span = tokens[i].span;
        out.push(TokenWithSpan { token: Token::LParen, span });
        out.extend_from_slice(&tokens[i..end]);
        out.push(TokenWithSpan { token: Token::RParen, span });
        i = end;
    }
    out
}

/// Whether a row can start with this token; if not, `values` is a name.
fn begins_value(token: &Token) -> bool {
    match token {
        Token::LParen
        | Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::HexStringLiteral(_)
        | Token::Placeholder(_)
        | Token::Minus
        | Token::Plus
        | Token::Colon => true,
        Token::Word(word) => !CLAUSES.contains(&word.keyword) && word.keyword != Keyword::AS,
        _ => false,
    }
}

/// Handles the subqueries within a row; most rows have none.
fn parenthesise_rows_within(row: &[TokenWithSpan]) -> Vec<TokenWithSpan> {
    if row.iter().any(|t| is_keyword(&t.token, Keyword::VALUES)) {
        parenthesise_rows(row.to_vec())
    } else {
        row.to_vec()
    }
}

/// Whether a comma is followed by another row.
fn end_is_row(tokens: &[TokenWithSpan], comma: usize) -> bool {
    tokens.get(comma + 1).is_some_and(|t| t.token != Token::SemiColon)
}

/// The end of the row that starts at `start`: a comma, a closing parenthesis, the end, or a word
/// that follows a complete value, such as an alias.
fn row_end(tokens: &[TokenWithSpan], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut complete = false;
    for (i, token) in tokens.iter().enumerate().skip(start) {
        match &token.token {
            Token::LParen | Token::LBracket => depth += 1,
            Token::RParen | Token::RBracket => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return i,
            },
            Token::Comma | Token::SemiColon if depth == 0 => return i,
            Token::Word(word) if depth == 0 && complete && !continues(word) => return i,
            _ => {}
        }
        complete = match &token.token {
            Token::Word(word) => is_value(word),
            Token::RParen | Token::RBracket => depth == 0,
            Token::Number(..)
            | Token::SingleQuotedString(_)
            | Token::HexStringLiteral(_)
            | Token::Placeholder(_) => true,
            _ => false,
        };
    }
    tokens.len()
}

/// Whether a word after a value continues the expression.
fn continues(word: &Word) -> bool {
    const OPERATORS: [Keyword; 24] = [
        Keyword::AND,
        Keyword::OR,
        Keyword::NOT,
        Keyword::IS,
        Keyword::IN,
        Keyword::LIKE,
        Keyword::ILIKE,
        Keyword::RLIKE,
        Keyword::REGEXP,
        Keyword::BETWEEN,
        Keyword::DIV,
        Keyword::WHEN,
        Keyword::THEN,
        Keyword::ELSE,
        Keyword::END,
        Keyword::YEAR,
        Keyword::MONTH,
        Keyword::WEEK,
        Keyword::DAY,
        Keyword::HOUR,
        Keyword::MINUTE,
        Keyword::SECOND,
        Keyword::TO,
        Keyword::ESCAPE,
    ];
    const UNITS: [&str; 9] = [
        "YEARS",
        "MONTHS",
        "WEEKS",
        "DAYS",
        "HOURS",
        "MINUTES",
        "SECONDS",
        "MILLISECONDS",
        "MICROSECONDS",
    ];
    word.quote_style.is_none()
        && (OPERATORS.contains(&word.keyword)
            || UNITS.contains(&word.value.to_uppercase().as_str()))
}

/// Whether a word is a whole value by itself.
fn is_value(word: &Word) -> bool {
    word.quote_style.is_none()
        && matches!(word.keyword, Keyword::NULL | Keyword::TRUE | Keyword::FALSE | Keyword::END)
}

/// Names the columns of a `LATERAL VIEW f(x) t` if the text does not: otherwise the next clause's
/// first word would be taken for the name.
fn name_view_columns(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    for token in tokens {
        if view_alias_ends(&out) && !names_columns(&token.token) {
            push_alias(&mut out, token.span);
        }
        out.push(token);
    }
    if view_alias_ends(&out)
        && let Some(last) = out.last().map(|t| t.span)
    {
        push_alias(&mut out, last);
    }
    out
}

/// Whether the tokens end with `LATERAL VIEW [OUTER] f(…) alias`.
fn view_alias_ends(tokens: &[TokenWithSpan]) -> bool {
    let [before @ .., close, alias] = tokens else { return false };
    if close.token != Token::RParen || !matches!(alias.token, Token::Word(_)) {
        return false;
    }
    let mut depth = 1_usize;
    let mut rest = before;
    while depth > 0 {
        let [more @ .., last] = rest else { return false };
        match last.token {
            Token::RParen => depth += 1,
            Token::LParen => depth -= 1,
            _ => {}
        }
        rest = more;
    }
    while let [more @ .., last] = rest {
        match &last.token {
            word if is_keyword(word, Keyword::VIEW) => {
                return more.last().is_some_and(|t| is_keyword(&t.token, Keyword::LATERAL));
            }
            Token::Word(_) | Token::Period => rest = more,
            _ => return false,
        }
    }
    false
}

/// Whether a token after a lateral view's alias names its columns.
fn names_columns(token: &Token) -> bool {
    matches!(token, Token::Word(word) if word.quote_style.is_some() || !CLAUSES.contains(&word.keyword))
}

fn push_alias(out: &mut Vec<TokenWithSpan>, span: Span) {
    out.push(TokenWithSpan { token: Token::make_keyword("AS"), span });
    out.push(TokenWithSpan { token: Token::make_word(NO_ALIAS, Some('`')), span });
}

/// `HAVING … SORT BY …` becomes `SORT BY … HAVING …`; the same for `WINDOW`, and for `CLUSTER` and
/// `DISTRIBUTE BY`.
fn sort_before_having(tokens: &mut [TokenWithSpan]) {
    // For each depth of parentheses, the position of `HAVING` or `WINDOW`, and that of `SORT BY`
    // after it.
    let mut open: Vec<(Option<usize>, Option<usize>)> = vec![(None, None)];
    let mut moves = Vec::new();
    for i in 0..tokens.len() {
        let by = tokens.get(i + 1).is_some_and(|t| is_keyword(&t.token, Keyword::BY));
        let Some((having, sort)) = open.last_mut() else { break };
        match &tokens[i].token {
            Token::LParen => open.push((None, None)),
            Token::RParen => {
                if let (Some(having), Some(sort)) = (*having, *sort) {
                    moves.push((having, sort, i));
                }
                (*having, *sort) = (None, None);
                if open.len() > 1 {
                    open.pop();
                }
            }
            Token::Word(word) if word.quote_style.is_none() => match word.keyword {
                Keyword::HAVING | Keyword::WINDOW | Keyword::QUALIFY if having.is_none() => {
                    *having = Some(i);
                }
                Keyword::SORT | Keyword::CLUSTER | Keyword::DISTRIBUTE
                    if by && having.is_some() && sort.is_none() =>
                {
                    *sort = Some(i);
                }
                Keyword::WINDOW
                | Keyword::LIMIT
                | Keyword::OFFSET
                | Keyword::UNION
                | Keyword::EXCEPT
                | Keyword::INTERSECT
                | Keyword::MINUS
                | Keyword::SELECT => {
                    if let (Some(having), Some(sort)) = (*having, *sort) {
                        moves.push((having, sort, i));
                    }
                    if !(word.keyword == Keyword::WINDOW && sort.is_none()) {
                        (*having, *sort) = (None, None);
                    }
                }
                _ => {}
            },
            _ => {}
        }
    }
    for (having, sort) in open {
        if let (Some(having), Some(sort)) = (having, sort) {
            moves.push((having, sort, tokens.len()));
        }
    }
    for (having, sort, end) in moves {
        tokens[having..end].rotate_left(sort - having);
    }
}
