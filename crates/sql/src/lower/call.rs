//! Calls of functions, and windows.

use super::{Lower, expression};
use crate::dialect::TABLE_ARGUMENT;
use crate::error::{self, Parsed};
use plan::{
    Expr, FrameBound, FrameUnits, FunctionCall, NullOrder, RelationKind, SortOrder, TableArgument,
    WindowFrame, WindowSpec,
};
use sqlparser::ast::{
    self, DuplicateTreatment, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArguments, NullTreatment, WindowFrameBound, WindowFrameUnits, WindowType,
};

/// Functions whose first of three arguments is a unit of time, written as a bare word.
const UNIT_FUNCTIONS: [&str; 6] =
    ["timestampadd", "timestampdiff", "dateadd", "date_add", "datediff", "date_diff"];
const UNITS: [&str; 10] = [
    "year",
    "quarter",
    "month",
    "week",
    "day",
    "dayofyear",
    "hour",
    "minute",
    "second",
    "millisecond",
];

impl Lower<'_> {
    pub(super) fn call(&mut self, function: ast::Function) -> Parsed<Expr> {
        let is_word = |part: &ast::ObjectNamePart, word| {
            part.as_ident().is_some_and(|part| *part == ast::Ident::new(word))
        };
        if function.name.0.iter().any(|part| is_word(part, TABLE_ARGUMENT)) {
            return self.table_argument(function);
        }
        let ast::Function { name, args, filter, null_treatment, over, within_group, .. } = function;
        let mut call = FunctionCall {
            name: super::parts(name)?.join("."),
            args: Vec::new(),
            distinct: false,
            ignore_nulls: matches!(null_treatment, Some(NullTreatment::IgnoreNulls)),
            filter: filter.map(|f| self.expr(*f)).transpose()?.map(Box::new),
            within_group: self.orders(within_group)?,
        };
        self.arguments(args, &mut call)?;
        known_forms(&mut call);
        let function = Expr::Function(call);
        let Some(window) = over else { return Ok(function) };
        let spec = match window {
            WindowType::WindowSpec(spec) => self.window(spec)?,
            WindowType::NamedWindow(name) => self.named_window(&name.value)?,
        };
        Ok(Expr::Window { function: Box::new(function), spec: Box::new(spec) })
    }

    /// `TABLE(…)`, as the dialect has it.
    fn table_argument(&mut self, call: ast::Function) -> Parsed<Expr> {
        let args = match call.args {
            FunctionArguments::List(list) => list.args,
            _ => Vec::new(),
        };
        let mut args = args.into_iter().filter_map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)) => Some(arg),
            _ => None,
        });
        let input = match args.next() {
            Some(ast::Expr::Subquery(query)) => self.query(*query)?,
            Some(ast::Expr::CompoundIdentifier(name)) => {
                let name = name.into_iter().map(|part| part.value).collect();
                RelationKind::Table { name, options: Vec::new() }.into()
            }
            _ => return Err(error::unsupported("this argument of TABLE")),
        };
        let single = args.next();
        let single_partition = single == Some(ast::Expr::value(ast::Value::Boolean(true)));
        let spec = match call.over {
            Some(WindowType::WindowSpec(spec)) => self.window(spec)?,
            _ => WindowSpec { partition_by: Vec::new(), order_by: Vec::new(), frame: None },
        };
        let WindowSpec { partition_by, order_by, .. } = spec;
        let argument = TableArgument { input, partition_by, order_by, single_partition };
        Ok(Expr::TableArgument(Box::new(argument)))
    }

    fn arguments(&mut self, args: FunctionArguments, call: &mut FunctionCall) -> Parsed<()> {
        let list = match args {
            FunctionArguments::None => return Ok(()),
            FunctionArguments::Subquery(_) => {
                return Err(error::unsupported("a query as the only argument"));
            }
            FunctionArguments::List(list) => list,
        };
        call.distinct = matches!(list.duplicate_treatment, Some(DuplicateTreatment::Distinct));
        for arg in list.args {
            let arg = self.argument(arg)?;
            call.args.push(arg);
        }
        for clause in list.clauses {
            match clause {
                FunctionArgumentClause::IgnoreOrRespectNulls(treatment) => {
                    call.ignore_nulls = treatment == NullTreatment::IgnoreNulls;
                }
                other => return Err(error::unsupported(format!("the argument clause {other}"))),
            }
        }
        Ok(())
    }

    fn argument(&mut self, arg: FunctionArg) -> Parsed<Expr> {
        match arg {
            FunctionArg::Named { name, arg, .. } => {
                let value = Box::new(self.argument_value(arg)?);
                Ok(Expr::NamedArgument { name: name.value, value })
            }
            FunctionArg::ExprNamed { name, .. } => {
                Err(error::unsupported(format!("the argument name {name}")))
            }
            FunctionArg::Unnamed(arg) => self.argument_value(arg),
        }
    }

    fn argument_value(&mut self, arg: FunctionArgExpr) -> Parsed<Expr> {
        match arg {
            FunctionArgExpr::Expr(expr) => self.expr(expr),
            FunctionArgExpr::Wildcard => Ok(expression::star(Vec::new())),
            FunctionArgExpr::QualifiedWildcard(name) => Ok(expression::star(super::parts(name)?)),
            FunctionArgExpr::WildcardWithOptions(_) => {
                Err(error::unsupported("a star with options as an argument"))
            }
        }
    }

    fn named_window(&mut self, name: &str) -> Parsed<WindowSpec> {
        let found =
            self.windows.iter().rev().flatten().find(|d| d.0.value.eq_ignore_ascii_case(name));
        match found.map(|d| d.1.clone()) {
            Some(ast::NamedWindowExpr::WindowSpec(spec)) => self.window(spec),
            Some(ast::NamedWindowExpr::NamedWindow(other))
                if !other.value.eq_ignore_ascii_case(name) =>
            {
                self.deeper(|this| this.named_window(&other.value))
            }
            _ => Err(error::invalid(format!(
                "The window specification {name} is not defined in the WINDOW clause."
            ))),
        }
    }

    fn window(&mut self, spec: ast::WindowSpec) -> Parsed<WindowSpec> {
        let ast::WindowSpec { window_name, partition_by, order_by, window_frame } = spec;
        let mut base = match window_name {
            Some(name) => self.named_window(&name.value)?,
            None => WindowSpec { partition_by: Vec::new(), order_by: Vec::new(), frame: None },
        };
        base.partition_by.extend(self.exprs(partition_by)?);
        base.order_by.extend(self.orders(order_by)?);
        if let Some(frame) = window_frame {
            base.frame = Some(self.frame(frame)?);
        }
        Ok(base)
    }

    fn frame(&mut self, frame: ast::WindowFrame) -> Parsed<WindowFrame> {
        let units = match frame.units {
            WindowFrameUnits::Rows => FrameUnits::Rows,
            WindowFrameUnits::Range => FrameUnits::Range,
            WindowFrameUnits::Groups => return Err(error::unsupported("GROUPS in a window frame")),
        };
        let lower = self.bound(frame.start_bound)?;
        let upper =
            frame.end_bound.map_or(Ok(FrameBound::CurrentRow), |bound| self.bound(bound))?;
        Ok(WindowFrame { units, lower, upper })
    }

    fn bound(&mut self, bound: WindowFrameBound) -> Parsed<FrameBound> {
        Ok(match bound {
            WindowFrameBound::CurrentRow => FrameBound::CurrentRow,
            WindowFrameBound::Preceding(None) => FrameBound::UnboundedPreceding,
            WindowFrameBound::Following(None) => FrameBound::UnboundedFollowing,
            WindowFrameBound::Preceding(Some(offset)) => {
                let offset = self.expr(*offset)?;
                FrameBound::Offset(Box::new(Expr::call("negative", vec![offset])))
            }
            WindowFrameBound::Following(Some(offset)) => {
                FrameBound::Offset(Box::new(self.expr(*offset)?))
            }
        })
    }

    pub(super) fn orders(&mut self, orders: Vec<ast::OrderByExpr>) -> Parsed<Vec<SortOrder>> {
        orders.into_iter().map(|order| self.order(order)).collect()
    }

    fn order(&mut self, order: ast::OrderByExpr) -> Parsed<SortOrder> {
        if order.with_fill.is_some() {
            return Err(error::unsupported("WITH FILL"));
        }
        Ok(SortOrder {
            expr: self.expr(order.expr)?,
            ascending: order.options.asc != Some(false),
            nulls: null_order(order.options.nulls_first),
        })
    }
}

/// Placement of nulls.
pub(super) fn null_order(first: Option<bool>) -> NullOrder {
    match first {
        None => NullOrder::Default,
        Some(true) => NullOrder::First,
        Some(false) => NullOrder::Last,
    }
}

/// Rewrites that Spark's own grammar does to some calls.
fn known_forms(call: &mut FunctionCall) {
    let name = call.name.to_lowercase();
    if name == "count"
        && !call.distinct
        && matches!(&call.args[..], [Expr::Star { target, except, .. }] if target.is_empty() && except.is_empty())
    {
        call.args = vec![Expr::integer(1)];
    }
    if UNIT_FUNCTIONS.contains(&name.as_str())
        && let [first, _, _] = &mut call.args[..]
        && let Expr::Column { name, .. } = &*first
        && let [unit] = &name[..]
        && UNITS.contains(&unit.to_lowercase().trim_end_matches('s'))
    {
        *first = Expr::string(unit.clone());
    }
}
