//! One `SELECT` with its clauses.

use super::{Lower, expression};
use crate::clauses::NO_ALIAS;
use crate::error::{self, Parsed};
use plan::{Aggregate, Expr, NullOrder, Relation, RelationKind, SortOrder};
use sqlparser::ast::{self, Distinct, SelectFlavor, SelectItem, SelectItemQualifiedWildcardKind};

/// `DISTRIBUTE BY`, `SORT BY`, and `CLUSTER BY`, which is both.
#[derive(Debug, Default)]
pub(super) struct Arrangement {
    distribute: Vec<Expr>,
    sort: Vec<SortOrder>,
}

impl Arrangement {
    pub(super) fn is_empty(&self) -> bool {
        self.distribute.is_empty() && self.sort.is_empty()
    }

    pub(super) fn apply(self, input: Relation) -> Relation {
        let Self { distribute, sort } = self;
        let mut relation = input;
        if !distribute.is_empty() {
            let (expressions, partitions) = (distribute, None);
            relation =
                RelationKind::RepartitionByExpression { input: relation, expressions, partitions }
                    .into();
        }
        if !sort.is_empty() {
            relation = RelationKind::Sort { input: relation, order: sort, global: false }.into();
        }
        relation
    }
}

impl Lower<'_> {
    pub(super) fn select(&mut self, mut select: ast::Select) -> Parsed<(Relation, Arrangement)> {
        refuse_foreign(&select)?;
        self.windows.push(std::mem::take(&mut select.named_window));
        let result = self.clauses(select);
        self.windows.pop();
        result
    }

    fn clauses(&mut self, select: ast::Select) -> Parsed<(Relation, Arrangement)> {
        let ast::Select { optimizer_hints, distinct, projection, from, lateral_views, .. } = select;
        let ast::Select { selection, group_by, having, flavor, .. } = select;
        let mut input = self.from(from)?;
        for view in lateral_views {
            input = self.lateral_view(input, view)?;
        }
        if let Some(condition) = selection {
            let condition = self.expr(condition)?;
            input = RelationKind::Filter { input, condition }.into();
        }
        let arrangement =
            self.arrangement(select.cluster_by, select.distribute_by, select.sort_by)?;
        if flavor == SelectFlavor::FromFirstNoSelect {
            return Ok((input, arrangement));
        }
        let expressions: Parsed<Vec<Expr>> =
            projection.into_iter().map(|item| self.select_item(item)).collect();
        let expressions = expressions?;
        let having = having.map(|h| self.expr(h)).transpose()?;
        let mut relation: Relation = match self.grouping(group_by, having.is_some())? {
            Some(grouping) => {
                let (with_keys, pivot) = (false, None);
                let aggregate =
                    Aggregate { input, grouping, expressions, with_keys, having, pivot };
                RelationKind::Aggregate(aggregate).into()
            }
            None => RelationKind::Project { input, expressions }.into(),
        };
        if distinct == Some(Distinct::Distinct) {
            relation = RelationKind::Deduplicate { input: relation, columns: Vec::new() }.into();
        }
        for hint in optimizer_hints.into_iter().rev() {
            relation = super::hint::apply(relation, &hint.text)?;
        }
        Ok((relation, arrangement))
    }

    fn arrangement(
        &mut self,
        cluster: Vec<ast::Expr>,
        distribute: Vec<ast::Expr>,
        sort: Vec<ast::OrderByExpr>,
    ) -> Parsed<Arrangement> {
        if !cluster.is_empty() {
            if !distribute.is_empty() || !sort.is_empty() {
                return Err(error::invalid(
                    "CLUSTER BY cannot be combined with DISTRIBUTE BY or SORT BY.",
                ));
            }
            let distribute = self.exprs(cluster)?;
            let ascending = |expr| SortOrder { expr, ascending: true, nulls: NullOrder::Default };
            let sort = distribute.iter().cloned().map(ascending).collect();
            return Ok(Arrangement { distribute, sort });
        }
        Ok(Arrangement { distribute: self.exprs(distribute)?, sort: self.orders(sort)? })
    }

    pub(super) fn select_item(&mut self, item: SelectItem) -> Parsed<Expr> {
        match item {
            SelectItem::UnnamedExpr(expr) => self.expr(expr),
            // A string is not a name in Spark, but `sqlparser` accepts it.
            SelectItem::ExprWithAlias { alias, .. } if alias.quote_style == Some('\'') => {
                Err(error::syntax_near(format!("'{}'", alias.value), alias.span.start))
            }
            SelectItem::ExprWithAlias { expr, alias } => Ok(self.expr(expr)?.alias(alias.value)),
            SelectItem::ExprWithAliases { expr, aliases } => Ok(Expr::Alias {
                expr: Box::new(self.expr(expr)?),
                names: aliases.into_iter().map(|a| a.value).collect(),
                metadata: None,
            }),
            SelectItem::Wildcard(options) => starred(Vec::new(), options),
            SelectItem::QualifiedWildcard(kind, options) => match kind {
                SelectItemQualifiedWildcardKind::ObjectName(name) => {
                    starred(super::parts(name)?, options)
                }
                SelectItemQualifiedWildcardKind::Expr(expr) => match self.expr(expr)? {
                    Expr::Column { name, .. } => starred(name, options),
                    _ => Err(error::unsupported("a star after an expression that is not a name")),
                },
            },
        }
    }

    fn lateral_view(&mut self, input: Relation, view: ast::LateralView) -> Parsed<Relation> {
        let ast::LateralView { lateral_view, lateral_view_name, lateral_col_alias, outer } = view;
        let Expr::Function(generator) = self.expr(lateral_view)? else {
            return Err(error::invalid("LATERAL VIEW needs a call of a generator function."));
        };
        let columns = lateral_col_alias
            .into_iter()
            .map(|c| c.value)
            .filter(|name| name != NO_ALIAS)
            .collect();
        let table = Some(super::single(lateral_view_name)?);
        Ok(RelationKind::LateralView { input, generator, outer, table, columns }.into())
    }
}

/// Refuses clauses that `sqlparser` reads for other databases.
fn refuse_foreign(select: &ast::Select) -> Parsed<()> {
    let foreign = [
        (select.top.is_some(), "TOP"),
        (select.into.is_some(), "SELECT INTO"),
        (select.qualify.is_some(), "QUALIFY"),
        (!select.connect_by.is_empty(), "CONNECT BY"),
        (matches!(select.distinct, Some(Distinct::On(_))), "DISTINCT ON"),
        (select.prewhere.is_some(), "PREWHERE"),
    ];
    match foreign.iter().find(|(found, _)| *found) {
        Some((_, name)) => Err(error::unsupported(name)),
        None => Ok(()),
    }
}

/// A star with its excluded columns.
fn starred(target: Vec<String>, options: ast::WildcardAdditionalOptions) -> Parsed<Expr> {
    if options.opt_ilike.is_some() || options.opt_replace.is_some() || options.opt_rename.is_some()
    {
        return Err(error::unsupported("ILIKE, REPLACE or RENAME after a star"));
    }
    let Some(except) = options.opt_except else { return Ok(expression::star(target)) };
    let first = std::iter::once(except.first_element);
    let names = first.chain(except.additional_elements).map(|name| vec![name.value]);
    Ok(Expr::Star { target, except: names.collect(), plan_id: None })
}
