//! One GET to a server on this machine, for asking whether it is up: std only, plain HTTP, no redirects.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// The status that `address` answers a GET of `path` with. Each read and write waits at most `patience`.
pub fn status(address: SocketAddr, path: &str, patience: Duration) -> io::Result<u16> {
    let mut stream = TcpStream::connect_timeout(&address, patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut start = [0; 12]; // "HTTP/1.1 200"
    stream.read_exact(&mut start)?;
    parse(&start).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not an HTTP answer"))
}

fn parse(start: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(start).ok()?;
    text.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    fn server(answer: &'static str) -> SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let _length = stream.read(&mut request).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        });
        address
    }

    #[test]
    fn the_status_is_read() {
        assert_eq!(status(server("HTTP/1.1 503 Service Unavailable\r\n\r\n"), "/readyz", PATIENCE).unwrap(), 503);
    }

    #[test]
    fn something_that_is_not_http_is_an_error() {
        let answer = status(server("SSH-2.0-OpenSSH_9.2\r\n"), "/", PATIENCE);
        assert_eq!(answer.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn nobody_there_is_an_error() {
        let free = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
        assert!(status(free, "/", PATIENCE).is_err());
    }
}
