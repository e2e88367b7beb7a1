//! `GROUP BY`.

use super::Lower;
use crate::error::{self, Parsed};
use plan::{Expr, Grouping};
use sqlparser::ast::{self, GroupByExpr, GroupByWithModifier};

/// Limit on the grouping sets that `CUBE`s and their products may produce.
const MAX_SETS: usize = 4_096;

impl Lower<'_> {
    /// The groups, if there are any; `HAVING` alone makes one group of all rows.
    pub(super) fn grouping(
        &mut self,
        group_by: GroupByExpr,
        having: bool,
    ) -> Parsed<Option<Grouping>> {
        let (keys, modifiers) = match group_by {
            GroupByExpr::All(modifiers) if modifiers.is_empty() => return Ok(Some(Grouping::All)),
            GroupByExpr::All(_) => return Err(error::unsupported("GROUP BY ALL WITH …")),
            GroupByExpr::Expressions(keys, modifiers) => (keys, modifiers),
        };
        if keys.is_empty() {
            return Ok(having.then(|| Grouping::By(Vec::new())));
        }
        let mut modifiers = modifiers.into_iter();
        let grouping = match (modifiers.next(), modifiers.next()) {
            (None, _) => self.elements(keys)?,
            (Some(GroupByWithModifier::Rollup), None) => Grouping::Rollup(self.exprs(keys)?),
            (Some(GroupByWithModifier::Cube), None) => Grouping::Cube(self.exprs(keys)?),
            (Some(GroupByWithModifier::GroupingSets(ast::Expr::GroupingSets(sets))), None) => {
                let keys = self.exprs(keys)?;
                Grouping::Sets { keys, sets: self.tuples(sets)? }
            }
            _ => return Err(error::unsupported("this combination in GROUP BY")),
        };
        Ok(Some(grouping))
    }

    fn tuples(&mut self, tuples: Vec<Vec<ast::Expr>>) -> Parsed<Vec<Vec<Expr>>> {
        tuples.into_iter().map(|tuple| self.exprs(tuple)).collect()
    }

    /// A list of keys, which may contain `ROLLUP`, `CUBE` and `GROUPING SETS`.
    fn elements(&mut self, elements: Vec<ast::Expr>) -> Parsed<Grouping> {
        if !elements.iter().any(is_set_maker) {
            return Ok(Grouping::By(self.exprs(elements)?));
        }
        let alone = elements.len() == 1;
        let mut keys = Vec::new();
        let mut product: Vec<Vec<Expr>> = vec![Vec::new()];
        for element in elements {
            let sets = match element {
                ast::Expr::Rollup(tuples) => {
                    let tuples = self.tuples(tuples)?;
                    match singles(alone, &tuples) {
                        Some(keys) => return Ok(Grouping::Rollup(keys)),
                        None => prefixes(&tuples),
                    }
                }
                ast::Expr::Cube(tuples) => {
                    let tuples = self.tuples(tuples)?;
                    match singles(alone, &tuples) {
                        Some(keys) => return Ok(Grouping::Cube(keys)),
                        None => subsets(&tuples)?,
                    }
                }
                ast::Expr::GroupingSets(sets) => self.tuples(sets)?,
                key => vec![vec![self.expr(key)?]],
            };
            for key in sets.iter().flatten() {
                if !keys.contains(key) {
                    keys.push(key.clone());
                }
            }
            if product.len() * sets.len() > MAX_SETS {
                return Err(error::too_complex());
            }
            let joined = |a: &Vec<Expr>, b: &Vec<Expr>| a.iter().chain(b).cloned().collect();
            product = product.iter().flat_map(|a| sets.iter().map(move |b| joined(a, b))).collect();
        }
        Ok(Grouping::Sets { keys, sets: product })
    }
}

fn is_set_maker(expr: &ast::Expr) -> bool {
    matches!(expr, ast::Expr::Rollup(_) | ast::Expr::Cube(_) | ast::Expr::GroupingSets(_))
}

/// The keys of a `ROLLUP` or `CUBE` that stands alone and has no tuples.
fn singles(alone: bool, tuples: &[Vec<Expr>]) -> Option<Vec<Expr>> {
    let single = |tuple: &Vec<Expr>| match &tuple[..] {
        [key] => Some(key.clone()),
        _ => None,
    };
    if alone { tuples.iter().map(single).collect() } else { None }
}

/// All prefixes, longest first.
fn prefixes(tuples: &[Vec<Expr>]) -> Vec<Vec<Expr>> {
    (0..=tuples.len()).rev().map(|n| tuples[..n].concat()).collect()
}

/// All subsets, largest first.
fn subsets(tuples: &[Vec<Expr>]) -> Parsed<Vec<Vec<Expr>>> {
    if tuples.len() > 12 {
        return Err(error::too_complex());
    }
    let count = 1_usize << tuples.len();
    let chosen = |mask: usize| {
        // The first tuple is the highest bit, so that the full set comes first and prefixes come
        // early.
        let picked = (0..tuples.len()).filter(|i| mask >> (tuples.len() - 1 - i) & 1 == 1);
        picked.flat_map(|i| tuples[i].clone()).collect()
    };
    Ok((0..count).rev().map(chosen).collect())
}
