//! What a temporary view keeps of the session in which it was made.

use super::Session;
use super::table::named_table;
use crate::RunJob;
use analysis::{Env, Purpose};
use catalogue::{Seen, View};
use plan::{Field, SparkError};
use std::sync::Arc;

impl Session {
    /// The view; `schema` is that of its query.
    pub(super) fn temporary_view(&self, view: &plan::View, schema: &[Field]) -> View {
        let state = self.state();
        let seen = if view.by_name {
            Seen::WhenUsed { taken: schema.iter().map(|field| field.name.clone()).collect() }
        } else {
            Seen::WhenMade(Arc::clone(&state.views))
        };
        let conf = Arc::new(state.conf.clone());
        View { query: view.query.clone(), columns: view.columns.clone(), conf, seen }
    }

    /// A text that names its own view, perhaps by way of others, would never end.
    pub(super) async fn check_not_in_itself(
        &self,
        name: &str,
        view: &View,
        run: &dyn RunJob,
    ) -> Result<(), SparkError> {
        let mut views = Arc::clone(&self.state().views);
        Arc::make_mut(&mut views).insert(name.to_lowercase(), view.clone());
        let env = Env::of_views(views);
        let used = named_table(&[name.to_owned()]);
        self.resolve(&used, Purpose::Schema, Some(env), run).await.map(|_| ())
    }
}
