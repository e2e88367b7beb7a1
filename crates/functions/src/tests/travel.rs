//! Tests that executors find functions by name, and that every function has a test case.

use std::collections::HashMap;
use std::sync::LazyLock;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::{AggregateFunction, HigherOrderFunction, ScalarFunction};
use datafusion::logical_expr::{AggregateUDF, HigherOrderUDF, ScalarUDF, WindowFunctionDefinition};

use super::*;
use crate::scalar::hidden_kernels;
use crate::{all_higher_order, all_udafs, all_udfs, all_udwfs, decode_window, encode_window};

/// Functions by name; later ones override earlier ones.
type ByName<F> = LazyLock<HashMap<String, Arc<F>>>;

static SCALARS: ByName<ScalarUDF> = LazyLock::new(|| {
    let named = |udf: Arc<ScalarUDF>| {
        let names = [udf.aliases(), &[udf.name().to_owned()]].concat();
        names.into_iter().map(move |name| (name, Arc::clone(&udf)))
    };
    all_udfs().into_iter().flat_map(named).collect()
});
static AGGREGATES: ByName<AggregateUDF> = LazyLock::new(|| {
    let named = |udf: Arc<AggregateUDF>| {
        let names = [udf.aliases(), &[udf.name().to_owned()]].concat();
        names.into_iter().map(move |name| (name, Arc::clone(&udf)))
    };
    all_udafs().into_iter().flat_map(named).collect()
});
static HIGHER_ORDER: ByName<HigherOrderUDF> = LazyLock::new(|| {
    all_higher_order().into_iter().map(|udf| (udf.name().to_owned(), udf)).collect()
});

/// Asserts that an executor can look up every function of an expression.
pub(super) fn travels(expr: &Expr) {
    expr.apply(|part| {
        match part {
            Expr::ScalarFunction(ScalarFunction { func, .. }) => {
                assert_eq!(SCALARS.get(func.name()), Some(func), "{} in all_udfs()", func.name());
            }
            Expr::AggregateFunction(AggregateFunction { func, .. }) => aggregate_travels(func),
            Expr::HigherOrderFunction(HigherOrderFunction { func, .. }) => {
                let found = HIGHER_ORDER.get(func.name());
                assert_eq!(found, Some(func), "{} in all_higher_order()", func.name());
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    })
    .unwrap();
}

fn aggregate_travels(func: &Arc<AggregateUDF>) {
    assert_eq!(AGGREGATES.get(func.name()), Some(func), "{} in all_udafs()", func.name());
}

/// Asserts that an executor can look up or deserialise a window function.
pub(super) fn window_travels(function: &WindowFunctionDefinition) {
    match function {
        WindowFunctionDefinition::AggregateUDF(func) => aggregate_travels(func),
        WindowFunctionDefinition::WindowUDF(func) => {
            let Some(bytes) = encode_window(func).unwrap() else {
                let is_listed = all_udwfs().iter().any(|listed| listed == func);
                return assert!(is_listed, "{} in all_udwfs()", func.name());
            };
            let aggregate = |name: &str| Ok(Arc::clone(&AGGREGATES[name]));
            assert_eq!(&decode_window(&bytes, aggregate).unwrap(), func);
        }
    }
}

#[test]
fn every_function_is_named_by_a_case() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tests");
    let cases: String = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    let cases: String = cases.split_whitespace().collect();
    let is_named = |name: &str| {
        // A name is followed by arguments or occurs in a list; other strings are wrapped, as in
        // `s("x")`.
        [",", "]"].iter().any(|after| cases.contains(&format!("\"{name}\"{after}")))
    };
    let mut names = Registry::new().names();
    names.retain(|name| !is_named(name));
    assert_eq!(names, [""; 0], "functions without a case");
}

#[test]
fn no_two_hidden_kernels_share_a_name() {
    let mut names: Vec<_> = hidden_kernels().iter().map(|kernel| kernel.name).collect();
    names.sort_unstable();
    assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
}
