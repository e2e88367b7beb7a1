//! `NOT IN` gives the rows of the hash join that it replaces.

use super::super::with_less_memory;
use super::*;
use arrow::array::{ArrayRef, AsArray, Int32Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int32Type, Schema};
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::common::{JoinType, NullEquality};
use datafusion::physical_expr::expressions::col;
use datafusion::physical_plan::joins::PartitionMode;

fn table(name: &str, values: &[Option<i32>]) -> Plan {
    let schema = Arc::new(Schema::new(vec![
        Field::new("row", DataType::Int32, false),
        Field::new(name, DataType::Int32, true),
    ]));
    let rows = i32::try_from(values.len()).unwrap();
    let columns: [ArrayRef; 2] =
        [Arc::new((0..rows).collect::<Int32Array>()), Arc::new(Int32Array::from(values.to_vec()))];
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns.to_vec()).unwrap();
    let batches = if rows == 0 { vec![] } else { vec![batch] };
    MemorySourceConfig::try_new_exec(&[batches], schema, None).unwrap()
}

/// `value NOT IN (list)`: the values, as the second column or the only one.
fn join(values: &[Option<i32>], list: &[Option<i32>], only: bool) -> Plan {
    let (left, right) = (table("value", values), table("listed", list));
    let on = (col("value", &left.schema()).unwrap(), col("listed", &right.schema()).unwrap());
    let columns = only.then(|| vec![1]);
    let (kind, mode) = (JoinType::LeftAnti, PartitionMode::CollectLeft);
    let nulls = NullEquality::NullEqualsNothing;
    let join =
        HashJoinExec::try_new(left, right, vec![on], None, &kind, columns, mode, nulls, true);
    Arc::new(join.unwrap())
}

fn rows(plan: &Plan) -> Vec<Option<i32>> {
    let rows = plan.execute(0, Arc::new(TaskContext::default())).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let batches: Vec<RecordBatch> = runtime.block_on(rows.try_collect()).unwrap();
    let last = |batch: &RecordBatch| {
        let column = batch.columns().last().unwrap().as_primitive::<Int32Type>().clone();
        column.iter().collect::<Vec<_>>()
    };
    let mut found: Vec<_> = batches.iter().flat_map(last).collect();
    found.sort_unstable();
    found
}

#[test]
fn the_rows_are_those_of_the_hash_join() {
    let values = [Some(1), None, Some(2), Some(2), Some(3)];
    let lists: [&[Option<i32>]; 5] =
        [&[], &[None], &[Some(2)], &[Some(2), None, Some(7)], &[Some(9), Some(3), Some(3)]];
    for only in [false, true] {
        for list in lists {
            let hashed = join(&values, list, only);
            let merged = with_less_memory(join(&values, list, only)).unwrap().unwrap();
            assert!(merged.is::<NotInExec>());
            assert_eq!(merged.schema().fields().len(), hashed.schema().fields().len());
            assert_eq!(rows(&merged), rows(&hashed), "{values:?} not in {list:?}");
        }
    }
    let all = with_less_memory(join(&values, &[], false)).unwrap().unwrap();
    assert_eq!(rows(&all).len(), 5);
}
