//! A function behind an API gateway or a function URL.

use lambda_http::{Error, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let webhooks = &endpoints::webhooks()?;
    lambda_http::run(service_fn(|event| async move { endpoints::lambda::handler(&**webhooks, &event).await }))
        .await
}
