//! A TCP proxy before one or several servers: a load balancer, and a network that can be cut, slowed, or made to lose replies.
//!
//! Not an HTTP proxy: it knows bytes only.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// What is wrong with the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Every connection is closed, new ones at once.
    Cut,
    /// Bytes arrive so much later, in both directions.
    Delay(Duration),
    /// What the server is sent arrives; what it answers does not.
    LostReplies,
    /// Connections stay open and nothing arrives.
    HalfOpen,
}

/// A running proxy.
pub struct Proxy {
    port: u16,
    fault: watch::Sender<Fault>,
    accepting: JoinHandle<()>,
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    ToServer,
    ToClient,
}

impl Proxy {
    /// Listens on a free port and passes connections on to the ports in turn; one that does not take it is passed over.
    pub async fn start(targets: &[u16]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("the loopback has a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let (fault, faults) = watch::channel(Fault::None);
        let accepting = tokio::spawn(accept(listener, targets.to_vec(), faults));
        Self { port, fault, accepting }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on this is wrong with the network, for connections that are open too.
    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, targets: Vec<u16>, faults: watch::Receiver<Fault>) {
    let (mut connections, next) = (JoinSet::new(), Arc::new(AtomicUsize::new(0)));
    while let Ok((client, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        if *faults.borrow() != Fault::Cut {
            let first = next.fetch_add(1, Ordering::Relaxed);
            connections.spawn(connect(client, targets.clone(), first, faults.clone()));
        }
    }
}

async fn connect(client: TcpStream, targets: Vec<u16>, first: usize, mut faults: watch::Receiver<Fault>) {
    for offset in 0..targets.len() {
        let target = targets[(first + offset) % targets.len()];
        if let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await {
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::select! {
                () = pump(from_client, to_server, Way::ToServer, faults.clone()) => {}
                () = pump(from_server, to_client, Way::ToClient, faults.clone()) => {}
                _ = faults.wait_for(|fault| *fault == Fault::Cut) => {}
            }
            return;
        }
    }
}

/// Passes bytes on until either side ends.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, way: Way, mut faults: watch::Receiver<Fault>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let fault = *faults.borrow();
        match fault {
            Fault::LostReplies if way == Way::ToClient => continue,
            Fault::Delay(by) => tokio::time::sleep(by).await,
            Fault::HalfOpen => _ = faults.wait_for(|fault| *fault != Fault::HalfOpen).await,
            _ => {}
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
