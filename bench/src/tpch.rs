//! The tables of TPC-H, from the `tpchgen` crates.

use crate::data::Table;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatchIterator;
use tpchgen::generators as made;
use tpchgen_arrow as arrow_of;
use tpchgen_arrow::RecordBatchIterator as _;

/// The tables of a scale factor.
pub(crate) fn tables(scale: f64) -> Vec<Table> {
    macro_rules! tables {
        ($($name:literal: $generator:ident, $arrow:ident;)*) => {
            vec![$({
                let batches = arrow_of::$arrow::new(made::$generator::new(scale, 1, 1));
                let schema = SchemaRef::clone(batches.schema());
                ($name, Box::new(RecordBatchIterator::new(batches.map(Ok), schema)) as _)
            }),*]
        };
    }
    tables! {
        "region": RegionGenerator, RegionArrow;
        "nation": NationGenerator, NationArrow;
        "supplier": SupplierGenerator, SupplierArrow;
        "customer": CustomerGenerator, CustomerArrow;
        "part": PartGenerator, PartArrow;
        "partsupp": PartSuppGenerator, PartSuppArrow;
        "orders": OrderGenerator, OrderArrow;
        "lineitem": LineItemGenerator, LineItemArrow;
    }
}
