//! State of the session that a temporary view captures.

use super::Session;
use super::table::named_table;
use crate::RunJob;
use analysis::{Env, Purpose};
use catalogue::{View, VisibleViews};
use plan::{Field, SparkError};
use std::sync::Arc;

impl Session {
    /// Creates the view; `schema` is that of its query.
    pub(super) fn temporary_view(&self, view: &plan::View, schema: &[Field]) -> View {
        let state = self.state();
        let visible = if view.by_name {
            VisibleViews::AtUse { columns: schema.iter().map(|field| field.name.clone()).collect() }
        } else {
            VisibleViews::AtCreation(state.views.clone())
        };
        let conf = Arc::new(state.conf.clone());
        View { query: view.query.clone(), columns: view.columns.clone(), conf, visible }
    }

    /// Refuses a view whose text refers to the view itself, perhaps indirectly: it would never end.
    pub(super) async fn check_not_recursive(
        &self,
        name: &str,
        view: &View,
        run: &dyn RunJob,
    ) -> Result<(), SparkError> {
        let mut views = self.state().views.clone();
        views.make_mut().insert(name.to_lowercase(), view.clone());
        let env = Env::of_views(views);
        let used = named_table(&[name.to_owned()]);
        self.resolve(&used, Purpose::Schema, Some(env), run).await.map(|_| ())
    }
}
