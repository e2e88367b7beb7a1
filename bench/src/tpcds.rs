//! The tables of TPC-DS, from the `tpcdsgen` crates.

use crate::data::Table;
use anyhow::{Result, anyhow};
use tpcdsgen::config::SessionBuilder;
use tpcdsgen_arrow as arrow_of;

/// The tables of a scale factor.
pub(crate) fn tables(scale: f64) -> Result<Vec<Table>> {
    let session = SessionBuilder::new().with_scale_factor(scale).build();
    let session = session.map_err(|error| anyhow!("{error:?}"))?;
    macro_rules! tables {
        ($($name:literal: $arrow:ident;)*) => {
            vec![$(($name, Box::new(arrow_of::$arrow::new(session.clone())) as _)),*]
        };
    }
    Ok(tables! {
        "call_center": CallCenterArrow;
        "catalog_page": CatalogPageArrow;
        "catalog_returns": CatalogReturnsArrow;
        "catalog_sales": CatalogSalesArrow;
        "customer": CustomerArrow;
        "customer_address": CustomerAddressArrow;
        "customer_demographics": CustomerDemographicsArrow;
        "date_dim": DateDimArrow;
        "household_demographics": HouseholdDemographicsArrow;
        "income_band": IncomeBandArrow;
        "inventory": InventoryArrow;
        "item": ItemArrow;
        "promotion": PromotionArrow;
        "reason": ReasonArrow;
        "ship_mode": ShipModeArrow;
        "store": StoreArrow;
        "store_returns": StoreReturnsArrow;
        "store_sales": StoreSalesArrow;
        "time_dim": TimeDimArrow;
        "warehouse": WarehouseArrow;
        "web_page": WebPageArrow;
        "web_returns": WebReturnsArrow;
        "web_sales": WebSalesArrow;
        "web_site": WebSiteArrow;
    })
}
