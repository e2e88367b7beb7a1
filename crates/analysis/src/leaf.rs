//! Leaves of plans: ranges, values, tables, views, files, SQL text, and `WITH` names.

use super::column::Names;
use super::scope::{Column, Scope};
use super::typed::Typed;
use super::{Fact, Resolved, Resolver, Result, Want, error};
use catalogue::{Table, TableKind, View, VisibleViews};
use datafusion::common::{Column as DfColumn, DFSchema, TableReference};
use datafusion::datasource::{TableProvider, provider_as_source};
use datafusion::logical_expr::{
    EmptyRelation, Expr as DfExpr, LogicalPlan, LogicalPlanBuilder, Projection,
};
use errors::{Exception, condition};
use formats::types;
use plan::{DataType, Expr, Field, Relation, ScanOptions, SchemaOrText, SparkError, Statement};
use sources::RangeTable;
use std::borrow::Cow;
use std::sync::Arc;

/// A `WITH` name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NamedQuery {
    name: String,
    /// `None` during the check whether the query refers to itself.
    query: Option<Relation>,
}

/// One row without columns.
pub(super) fn one_row() -> EmptyRelation {
    EmptyRelation { produce_one_row: true, schema: Arc::new(DFSchema::empty()) }
}

impl Resolver<'_> {
    pub(super) fn empty(&mut self, schema: &[Field]) -> Result<Resolved> {
        let columns: Vec<Column> = schema.iter().map(|field| self.column_of_field(field)).collect();
        let arrow = arrow_schema(&columns);
        let relation = EmptyRelation {
            produce_one_row: false,
            schema: Arc::new(DFSchema::try_from(arrow.as_ref().clone())?),
        };
        Ok(Resolved::new(LogicalPlan::EmptyRelation(relation), Scope::new(columns)))
    }

    pub(super) fn column_of_field(&mut self, field: &Field) -> Column {
        let mut column = self.new_column(&field.name, field.data_type.clone(), field.nullable);
        column.metadata.clone_from(&field.metadata);
        column
    }

    pub(super) fn range(
        &mut self,
        (start, end, step): (i64, i64, i64),
        partitions: Option<u32>,
    ) -> Result<Resolved> {
        if step == 0 {
            return Err(SparkError::plain(
                Exception::IllegalArgument,
                "requirement failed: step (0) cannot be 0",
            )
            .into());
        }
        let column = self.new_column("id", DataType::Long, false);
        let partitions = partitions.unwrap_or(self.context.parallelism);
        let table = RangeTable::new(&column.id, (start, end, step), partitions);
        let plan = scan("range", Arc::new(table))?;
        let exprs = vec![scanned("range", &column.id, &column.id)];
        let plan = LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(plan))?);
        Ok(Resolved::new(plan, Scope::new(vec![column])))
    }

    /// The schema, parsed if it is text.
    pub(super) fn schema_of(&self, schema: &SchemaOrText) -> Result<Vec<Field>> {
        match schema {
            SchemaOrText::Schema(fields) => Ok(fields.clone()),
            SchemaOrText::Text(text) => {
                match self.context.parser.data_type(text).map_err(SparkError::from)? {
                    DataType::Struct(fields) => Ok(fields),
                    other => Ok(vec![Field::new("value", other, true)]),
                }
            }
        }
    }

    pub(super) fn values(&mut self, rows: &[Vec<Expr>]) -> Result<Resolved> {
        let nothing = Scope::default();
        let mut typed: Vec<Vec<Typed>> = Vec::new();
        for row in rows {
            let mut cells = Vec::new();
            for cell in row {
                cells.push(self.expression(cell, Names::of(&nothing))?);
            }
            typed.push(cells);
        }
        let width = typed.first().map_or(0, Vec::len);
        if typed.iter().any(|row| row.len() != width) {
            let message = "Invalid inline table. Number of columns in an inline table must be the same in every row.";
            return Err(error::analysis(
                condition::INVALID_INLINE_TABLE_NUM_COLUMNS_MISMATCH,
                message,
                &[],
            ));
        }
        let mut columns = Vec::new();
        for index in 0..width {
            let kinds: Vec<DataType> =
                typed.iter().map(|row| row[index].data_type.clone()).collect();
            let name = format!("col{}", index + 1);
            let Some(common) = self.common_type(&kinds) else {
                let message = format!(
                    "Invalid inline table. Found incompatible types in the column `{name}` for inline table."
                );
                let parameters = [("colName", name.as_str())];
                return Err(error::analysis(
                    condition::INVALID_INLINE_TABLE_INCOMPATIBLE_TYPES_IN_INLINE_TABLE,
                    message,
                    &parameters,
                ));
            };
            let nullable = typed.iter().any(|row| row[index].nullable);
            columns.push(self.new_column(name, common, nullable));
        }
        let mut values = Vec::new();
        for row in typed {
            let cells = row.into_iter().zip(&columns);
            let cells = cells.map(|(cell, column)| Ok(self.coerced(cell, &column.data_type)?.expr));
            values.push(cells.collect::<Result<Vec<DfExpr>>>()?);
        }
        let plan = LogicalPlanBuilder::values(values)?.build()?;
        let names: Vec<_> = plan.schema().columns();
        let exprs = names
            .into_iter()
            .zip(&columns)
            .map(|(name, column)| DfExpr::Column(name).alias(&column.id))
            .collect();
        let plan = LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(plan))?);
        Ok(Resolved::new(plan, Scope::new(columns)))
    }

    pub(super) fn scan_files(&mut self, options: &ScanOptions) -> Result<Resolved> {
        let mut options = options.clone();
        if options.format.is_none() {
            let default = self.context.conf.get(&model::conf::DEFAULT_SOURCE);
            options.format = Some(default?);
        }
        if let Some(schema) = &options.schema {
            options.schema = Some(SchemaOrText::Schema(self.schema_of(schema)?));
        }
        let python = options.format.as_deref().and_then(|name| self.context.python.source(name));
        if let Some(source) = python.map(Arc::clone) {
            return self.python_scan(&source, &options);
        }
        match self.facts.get(Want::Files(options))? {
            Fact::Files(source) => {
                let (provider, schema) = (Arc::clone(&source.provider), source.schema.clone());
                self.provider(provider, &schema)
            }
            Fact::Rows { .. } => Err(SparkError::internal("got rows instead of files").into()),
        }
    }

    fn provider(&mut self, provider: Arc<dyn TableProvider>, schema: &[Field]) -> Result<Resolved> {
        let arrow = provider.schema();
        let metadata = self.metadata_column();
        let table = metadata.id.clone();
        let plan = scan(&table, provider)?;
        let mut columns = Vec::new();
        let mut exprs = Vec::new();
        for (field, held) in schema.iter().zip(arrow.fields()) {
            let column = self.column_of_field(field);
            let target = types::to_arrow(&field.data_type);
            let mut expr = DfExpr::Column(DfColumn::new(Some(table.as_str()), held.name()));
            if *held.data_type() != target {
                expr = datafusion::logical_expr::cast(expr, target);
            }
            exprs.push(expr.alias(&column.id));
            columns.push(column);
        }
        let plan = LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(plan))?);
        let metadata =
            if arrow.fields().len() > schema.len() { vec![metadata] } else { Vec::new() };
        Ok(Resolved::new(plan, Scope { metadata, ..Scope::new(columns) }))
    }

    /// Resolves a name in FROM.
    pub(super) fn table(
        &mut self,
        name: &[String],
        options: &[(String, String)],
    ) -> Result<Resolved> {
        if let [single] = name {
            let named = self.env.queries.iter().rposition(|q| self.context.same(&q.name, single));
            if let Some(index) = named {
                return self.named_query(index);
            }
            let views = self.env.views.clone();
            if let Some((known, view)) =
                views.iter().find(|(known, _)| self.context.same(known, single))
            {
                return self.view(known, view);
            }
        }
        if let [database, single] = name
            && database.eq_ignore_ascii_case("global_temp")
        {
            let catalogue = Arc::clone(&self.context.catalogue);
            return match catalogue.global_view(single) {
                Some(view) => self.view(single, view),
                None => Err(error::table_not_found(name).into()),
            };
        }
        let catalogue = Arc::clone(&self.context.catalogue);
        match catalogue.table(name, &self.context.database) {
            Some(table) => self.catalogue_table(table, options),
            None => self.files_by_name(name),
        }
    }

    fn catalogue_table(&mut self, table: &Table, options: &[(String, String)]) -> Result<Resolved> {
        let mut resolved = match &table.kind {
            TableKind::View { query, columns, conf } => {
                let view = View {
                    query: query.clone(),
                    columns: columns.clone(),
                    conf: Arc::clone(conf),
                    visible: VisibleViews::AtCreation(Default::default()),
                };
                self.view(&table.name, &view)?
            }
            TableKind::Managed | TableKind::External => {
                let mut all = table.options.clone();
                all.extend(options.iter().cloned());
                self.scan_files(&ScanOptions {
                    format: Some(table.format.clone()),
                    paths: vec![table.location.clone()],
                    schema: Some(SchemaOrText::Schema(table.schema.clone())),
                    options: all,
                })?
            }
        };
        let Scope { columns, metadata, .. } = &mut resolved.scope;
        for column in columns.iter_mut().chain(metadata) {
            column.qualifier = table.qualified_name();
        }
        Ok(resolved)
    }

    /// Resolves a format followed by a path, as in ``parquet.`/data` ``.
    fn files_by_name(&mut self, name: &[String]) -> Result<Resolved> {
        if let [format, path] = name
            && let Some(source) = sources::source_of_path(format)
        {
            return self.scan_files(&ScanOptions {
                format: Some(source.name().to_owned()),
                paths: vec![path.clone()],
                schema: None,
                options: Vec::new(),
            });
        }
        Err(error::table_not_found(name).into())
    }

    /// Resolves a view: its query, under the settings of its creation.
    fn view(&mut self, name: &str, view: &View) -> Result<Resolved> {
        let (views, captured) = match &view.visible {
            VisibleViews::AtCreation(views) => (views, None),
            VisibleViews::AtUse { columns } => (&self.env.views, Some(columns)),
        };
        // A plan that refers to an older view of the same name does not contain itself.
        let most = if captured.is_some() { 0 } else { 100 };
        if self.env.inside.iter().any(|around| around == name) && self.env.inside.len() > most {
            let shown = plan::quote_name(name);
            return Err(error::analysis(
                condition::RECURSIVE_VIEW,
                format!("Recursive view {shown} detected (cycle: {shown} -> {shown})."),
                &[("viewIdent", &shown)],
            ));
        }
        let mut inside = self.env.inside.clone();
        inside.push(name.to_owned());
        let settings = Some(Arc::clone(&view.conf));
        let env = super::Env { inside, settings, ..super::Env::of_views(views.clone()) };
        let context = self.context.under(&view.conf)?;
        let outer_context = std::mem::replace(&mut self.context, Cow::Owned(context));
        let outer_env = std::mem::replace(&mut self.env, env);
        let outer_scopes = std::mem::take(&mut self.outer);
        let resolved = self.relation(&view.query);
        self.context = outer_context;
        self.env = outer_env;
        self.outer = outer_scopes;
        let mut resolved = resolved?;
        resolved.scope.metadata.clear();
        if let Some(captured) = captured {
            resolved = self.with_captured_columns(resolved, name, captured)?;
        }
        self.renamed(resolved, name, &view.columns)
    }

    /// Reduces a view's query to the columns that it had at the view's creation.
    fn with_captured_columns(
        &mut self,
        resolved: Resolved,
        view: &str,
        captured: &[String],
    ) -> Result<Resolved> {
        let columns = &resolved.scope.columns;
        if columns.len() == captured.len()
            && columns
                .iter()
                .zip(captured)
                .all(|(column, name)| self.context.same(&column.name, name))
        {
            return Ok(resolved);
        }
        let mut items = Vec::new();
        for name in captured {
            let mut found = columns.iter().filter(|column| self.context.same(&column.name, name));
            let (Some(column), None) = (found.next(), found.next()) else {
                let (view, column) = (plan::quote_name(view), plan::quote_name(name));
                let count = columns.iter().filter(|c| self.context.same(&c.name, name)).count();
                let actual: Vec<_> = columns.iter().map(|c| plan::quote_name(&c.name)).collect();
                let (count, actual) = (count.to_string(), format!("[{}]", actual.join(", ")));
                let message = format!(
                    "The SQL query of view {view} has an incompatible schema change and column {column} cannot be resolved. Expected {count} columns named {column} but got {actual}."
                );
                let parameters = [
                    ("viewName", view.as_str()),
                    ("colName", &column),
                    ("expectedNum", "1"),
                    ("actualCols", &actual),
                ];
                return Err(error::analysis(
                    condition::INCOMPATIBLE_VIEW_SCHEMA_CHANGE,
                    message,
                    &parameters,
                ));
            };
            items.push(super::column::of_column(column));
        }
        self.select_typed(resolved, items)
    }

    /// Renames columns by an alias, possibly with column names.
    pub(super) fn renamed(
        &mut self,
        mut resolved: Resolved,
        alias: &str,
        columns: &[String],
    ) -> Result<Resolved> {
        let count = resolved.scope.columns.len();
        if !columns.is_empty() && columns.len() != count {
            return Err(error::arity(columns.len(), count));
        }
        for (index, column) in resolved.scope.columns.iter_mut().enumerate() {
            column.qualifier = vec![alias.to_owned()];
            if let Some(name) = columns.get(index) {
                name.clone_into(&mut column.name);
            }
        }
        // Only the alias of a table itself keeps its hidden column.
        if !crate::file_columns::is_scan(&resolved.plan) {
            resolved.scope.metadata.clear();
        }
        for column in &mut resolved.scope.metadata {
            column.qualifier = vec![alias.to_owned()];
        }
        resolved.scope.hidden.clear();
        resolved.below = None;
        self.exact(resolved)
    }

    fn named_query(&mut self, index: usize) -> Result<Resolved> {
        let NamedQuery { name, query } = self.env.queries[index].clone();
        let Some(query) = query else {
            self.names_itself = true;
            return Err(SparkError::internal("a recursive query was not unrolled").into());
        };
        // The query cannot refer to its own name or later ones.
        let later = self.env.queries.split_off(index);
        let resolved = self.relation(&query);
        self.env.queries.extend(later);
        let mut resolved = resolved?;
        resolved.scope.metadata.clear();
        self.renamed(resolved, &name, &[])
    }

    pub(super) fn with(
        &mut self,
        input: &Relation,
        named: &[(String, Relation)],
        recursive: bool,
    ) -> Result<Resolved> {
        let before = self.env.queries.len();
        for (name, query) in named {
            let defined = if recursive { self.defined(name, query) } else { Ok(query.clone()) };
            let query = match defined {
                Ok(query) => Some(query),
                Err(stop) => {
                    self.env.queries.truncate(before);
                    return Err(stop);
                }
            };
            self.env.queries.push(NamedQuery { name: name.clone(), query });
        }
        let resolved = self.relation(input);
        self.env.queries.truncate(before);
        resolved
    }

    /// Resolves the definition of a `WITH RECURSIVE` name: unrolled if it refers to itself.
    fn defined(&mut self, name: &str, query: &Relation) -> Result<Relation> {
        let before = self.env.queries.len();
        self.env.queries.push(NamedQuery { name: name.to_owned(), query: None });
        let resolved = self.relation(query);
        self.env.queries.truncate(before);
        if std::mem::take(&mut self.names_itself) {
            return self.unrolled(name, query);
        }
        resolved.map(|_| query.clone())
    }

    pub(super) fn with_references(
        &mut self,
        input: &Relation,
        references: &[Relation],
    ) -> Result<Resolved> {
        let outer = Arc::clone(&self.env.references);
        let mut all = (*outer).clone();
        for relation in references {
            if let Some(id) = relation.plan_id {
                all.insert(id, relation.clone());
            }
        }
        self.env.references = Arc::new(all);
        let resolved = self.relation(input);
        self.env.references = outer;
        resolved
    }

    pub(super) fn referenced(&mut self, id: i64) -> Result<Resolved> {
        match self.env.references.get(&id).cloned() {
            Some(relation) => self.relation(&relation),
            None => Err(SparkError::internal(format!("no relation has the plan id {id}")).into()),
        }
    }

    pub(super) fn sql(&mut self, text: &str, arguments: &[(String, Expr)]) -> Result<Resolved> {
        let statement = self.context.parser.statement(text).map_err(SparkError::from)?;
        let Statement::Query(query) = statement else {
            return Err(error::unsupported("a command inside a query"));
        };
        let arguments = Arc::new(arguments.to_vec());
        let outer = std::mem::replace(&mut self.env.arguments, arguments);
        let resolved = self.relation(&query);
        self.env.arguments = outer;
        resolved.map_err(|stop| super::place::with_place(stop, text))
    }
}

pub(super) fn arrow_schema(columns: &[Column]) -> arrow::datatypes::SchemaRef {
    let fields: Vec<_> = columns
        .iter()
        .map(|column| types::field_to_arrow(&column.field()).with_name(&column.id))
        .collect();
    Arc::new(arrow::datatypes::Schema::new(fields))
}

pub(super) fn scan(name: &str, provider: Arc<dyn TableProvider>) -> Result<LogicalPlan> {
    let source = provider_as_source(provider);
    Ok(LogicalPlanBuilder::scan(TableReference::bare(name), source, None)?.build()?)
}

pub(super) fn scanned(table: &str, column: &str, id: &str) -> DfExpr {
    DfExpr::Column(DfColumn::new(Some(table), column)).alias(id)
}
