//! A server on port 8080.

use actix_web::{App, HttpServer};

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let webhooks = endpoints::webhooks()?;
    let app = move || App::new().configure(endpoints::actix::routes(webhooks.clone()));
    HttpServer::new(app).bind(("0.0.0.0", 8080))?.run().await
}
