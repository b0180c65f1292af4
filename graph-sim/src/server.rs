//! A running stand-in: its socket, its connections, its end.
//!
//! It accepts connections itself, because a router can only answer: closing a connection in place of an answer is done below it.

use std::io;
use std::ops::Deref;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tower::ServiceExt;

use crate::answer::HangUp;
use crate::routes;
use crate::settings::Settings;
use crate::state::World;

/// A running stand-in. It is its [`World`], plus a socket. Dropping it stops it.
#[derive(Debug)]
pub struct Graph {
    world: Arc<World>,
    url: String,
    accepting: JoinHandle<()>,
}

impl Graph {
    /// Binds `settings.listen` and answers from then on.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn start(settings: Settings) -> io::Result<Self> {
        let listener = TcpListener::bind(settings.listen).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let world = World::new(settings);
        let accepting = tokio::spawn(accept(listener, routes::router(&world)));
        Ok(Self { world, url, accepting })
    }

    /// `http://address:port`, without a slash at the end: the base URL of a Graph client.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The world behind it, for a task of its own.
    pub fn world(&self) -> Arc<World> {
        Arc::clone(&self.world)
    }

    /// Closes the socket and every connection, hung ones too. The port is free when this returns.
    pub async fn stop(mut self) {
        self.end();
        // The task was cancelled; that it says so is no news.
        let _ = (&mut self.accepting).await;
    }

    fn end(&self) {
        self.world.abort();
        self.accepting.abort();
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        self.end();
    }
}

impl Deref for Graph {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

/// Serves until cancelled. The connections end with it, because their set is dropped with it.
async fn accept(listener: TcpListener, router: Router) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve(stream, router.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, router: Router) {
    // Small answers must not wait for the client's delayed acknowledgement; without it they are only slower.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| answer(router.clone(), request));
    // A client that hangs up, or one that we hang up on: neither is an error here.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(router: Router, request: Request<Incoming>) -> io::Result<Response> {
    let Ok(response) = router.oneshot(request.map(Body::new)).await;
    if response.extensions().get::<HangUp>().is_some() {
        return Err(io::ErrorKind::ConnectionAborted.into());
    }
    Ok(response)
}
