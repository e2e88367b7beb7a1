//! Properties of the program's thread, which come with each of its requests.

use crate::pb;
use crate::python::{EXTENSIONS, parsed};
use crate::rdd_pb;
use model::Properties;
use plan::SparkError;

/// The properties in a request's user context; extensions that are not ours are skipped.
pub(crate) fn properties(user: Option<&pb::UserContext>) -> Result<Properties, SparkError> {
    let extensions = user.into_iter().flat_map(|user| &user.extensions);
    let mut found = Vec::new();
    for extension in extensions {
        if extension.type_url.strip_prefix(EXTENSIONS) == Some("JobProperties") {
            let message: rdd_pb::JobProperties = parsed(extension.value.clone().into())?;
            found.extend(message.properties.into_iter().map(|one| (one.key, one.value)));
        }
    }
    Ok(found.into_iter().collect())
}
