//! Recursive `WITH`: each step derives its rows from those of the previous step, until a step
//! yields none. Every step is a separate job.

use super::{Fact, Purpose, Resolver, Result, Want, error};
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use errors::condition;
use plan::{
    CastMode, Expr, Field, Relation, RelationKind, SchemaOrText, SetOperation, SetOperator,
    SparkError,
};

/// Spark's limit on the number of steps.
const STEPS: usize = 100;

impl Resolver<'_> {
    /// Evaluates a recursive query; returns the rows it finally yields.
    pub(super) fn unrolled(&mut self, name: &str, query: &Relation) -> Result<Relation> {
        let (body, columns) = match query.kind.as_ref() {
            RelationKind::SubqueryAlias { input, columns, .. } => (input, columns.as_slice()),
            _ => (query, &[][..]),
        };
        let RelationKind::SetOperation(SetOperation {
            left,
            right,
            operator: SetOperator::Union,
            all: true,
            ..
        }) = body.kind.as_ref()
        else {
            return Err(error::unsupported(
                "a recursive WITH that is not a UNION ALL of two queries",
            ));
        };
        let anchor = self.relation(left)?;
        let mut schema: Vec<Field> = anchor.scope.fields();
        if !columns.is_empty() && columns.len() != schema.len() {
            return Err(error::arity(columns.len(), schema.len()));
        }
        for (index, field) in schema.iter_mut().enumerate() {
            field.nullable = true;
            if let Some(name) = columns.get(index) {
                field.name.clone_from(name);
            }
        }
        if self.context.purpose == Purpose::Schema {
            return Ok(RelationKind::Empty { schema }.into());
        }
        let mut step = self.step_rows(left.clone())?;
        let mut all: Vec<RecordBatch> = Vec::new();
        for count in 0.. {
            if step.iter().all(|batch| batch.num_rows() == 0) {
                break;
            }
            if count >= STEPS {
                let message = format!(
                    "Recursion level limit {STEPS} reached but query has not exhausted, try increasing it like 'WITH RECURSIVE t(col) MAX RECURSION LEVEL 200'."
                );
                let limit = STEPS.to_string();
                let parameters = [("levelLimit", limit.as_str())];
                return Err(error::analysis(
                    condition::RECURSION_LEVEL_LIMIT_EXCEEDED,
                    message,
                    &parameters,
                ));
            }
            let before = local(&step, &schema)?;
            all.append(&mut step);
            let named = vec![(name.to_owned(), before)];
            let input = right.clone();
            let next = RelationKind::With { input, named, recursive: false };
            step = self.step_rows(cast_to(next.into(), &schema))?;
        }
        local(&all, &schema)
    }

    fn step_rows(&self, relation: Relation) -> Result<Vec<RecordBatch>> {
        match self.facts.get(Want::Rows(relation, self.env.clone()))? {
            Fact::Rows { batches, .. } => Ok(batches.clone()),
            Fact::Files(_) => Err(SparkError::internal("got files instead of rows").into()),
        }
    }
}

/// Casts the relation to the types of the first step.
fn cast_to(input: Relation, schema: &[Field]) -> Relation {
    let names: Vec<String> = (0..schema.len()).map(|index| format!("_c{index}")).collect();
    let casts = names.iter().zip(schema).map(|(name, field)| {
        let (expr, to) = (Box::new(Expr::column(name)), field.data_type.clone());
        Expr::Cast { expr, to, mode: CastMode::Session }.alias(&field.name)
    });
    let expressions = casts.collect();
    let input = RelationKind::ToDf { input, names }.into();
    RelationKind::Project { input, expressions }.into()
}

/// Rows as a local relation.
fn local(batches: &[RecordBatch], schema: &[Field]) -> Result<Relation> {
    if batches.is_empty() {
        return Ok(RelationKind::Empty { schema: schema.to_vec() }.into());
    }
    let failed = |error: arrow::error::ArrowError| {
        SparkError::internal(format!("invalid rows of a recursive query: {error}"))
    };
    let rows = super::fitted(batches, &formats::types::schema_in_plans(schema))?;
    let mut writer = StreamWriter::try_new(Vec::new(), &rows[0].schema()).map_err(failed)?;
    for batch in &rows {
        writer.write(batch).map_err(failed)?;
    }
    let data = writer.into_inner().map_err(failed)?;
    Ok(RelationKind::Local { data, schema: Some(SchemaOrText::Schema(schema.to_vec())) }.into())
}
