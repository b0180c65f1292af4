//! The running simulator: its socket, its connections and its end.
//!
//! It does not use `axum::serve`, because a router always responds: to close a connection without a
//! response, the connection has to be served here.

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

use crate::response::CloseConnection;
use crate::routes;
use crate::settings::Settings;
use crate::simulator::Simulator;

/// A [`Simulator`] that listens on a socket. Dropping it stops it.
#[derive(Debug)]
pub struct Graph {
    simulator: Arc<Simulator>,
    url: String,
    accepting: JoinHandle<()>,
}

impl Graph {
    /// Binds `settings.listen`. When this returns, connections are accepted.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn start(settings: Settings) -> io::Result<Self> {
        let listener = TcpListener::bind(settings.listen).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let simulator = Simulator::new(settings);
        let accepting = tokio::spawn(accept(listener, routes::router(&simulator)));
        Ok(Self { simulator, url, accepting })
    }

    /// `http://address:port`, without a slash at the end: the base URL for a client.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The simulator, for a task that outlives a borrow.
    pub fn simulator(&self) -> Arc<Simulator> {
        Arc::clone(&self.simulator)
    }

    /// Closes the socket and every connection, also those that wait for a response. The port is
    /// free when this returns.
    pub async fn stop(mut self) {
        self.end();
        // The only error is that the task was cancelled, and we just did that.
        let _ = (&mut self.accepting).await;
    }

    fn end(&self) {
        self.simulator.abort();
        self.accepting.abort();
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        self.end();
    }
}

impl Deref for Graph {
    type Target = Simulator;

    fn deref(&self) -> &Simulator {
        &self.simulator
    }
}

/// Accepts connections until it is cancelled. That closes the connections, too: it drops their set.
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
    // Otherwise small responses wait for the client's delayed acknowledgement. If it fails, they
    // are just slow.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| handle(router.clone(), request));
    // The only errors are connections that the client closed, or that we closed on purpose.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn handle(router: Router, request: Request<Incoming>) -> io::Result<Response> {
    let Ok(response) = router.oneshot(request.map(Body::new)).await;
    if response.extensions().get::<CloseConnection>().is_some() {
        return Err(io::ErrorKind::ConnectionAborted.into());
    }
    Ok(response)
}
