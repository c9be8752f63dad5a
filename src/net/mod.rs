//! Connecting to a host that has several addresses (Happy Eyeballs, RFC 8305).
//!
//! An address that drops packets must not delay the others: attempts start 250 ms apart, alternate between IPv6 and IPv4,
//! and the first that succeeds wins. Not an existing crate, as those bring a DNS resolver along, and an attempt is more
//! than a TCP connection where a broker speaks first.

mod address;

use std::{io, net::SocketAddr, pin::pin, time::Duration};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};

pub(crate) use address::ADDRESS;
pub use address::{Address, UserInfo};

/// The delay before the next attempt starts in parallel (RFC 8305, section 5).
const STAGGER: Duration = Duration::from_millis(250);

/// Connects to the first address that answers. `limit` bounds each attempt; [`io::ErrorKind::TimedOut`] if all reached it.
pub(crate) async fn connect(addresses: &[SocketAddr], limit: Duration) -> io::Result<TcpStream> {
    let attempt = |address| async move {
        let connected = timeout(limit, TcpStream::connect(address)).await;
        connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    };
    let stream = race(addresses, attempt).await.map_err(summary)?;
    stream.set_nodelay(true)?;
    // Detects a half-open connection also while nothing is read from it.
    let keepalive =
        TcpKeepalive::new().with_time(Duration::from_secs(30)).with_interval(Duration::from_secs(10));
    SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    Ok(stream)
}

/// Runs `attempt` for each address, staggered, until one succeeds. On failure: each address with its error, in the order
/// in which they failed.
pub(crate) async fn race<T, E, F: Future<Output = Result<T, E>>>(
    addresses: &[SocketAddr],
    attempt: impl Fn(SocketAddr) -> F,
) -> Result<T, Vec<(SocketAddr, E)>> {
    let start = |address| {
        let attempt = attempt(address);
        async move { (address, attempt.await) }
    };
    let mut queue = interleaved(addresses).into_iter();
    let mut running: FuturesUnordered<_> = queue.next().map(&start).into_iter().collect();
    let mut failed = Vec::new();
    loop {
        let is_last = queue.len() == 0;
        let next = pin!(sleep(STAGGER));
        tokio::select! {
            biased;
            ended = running.next() => match ended {
                Some((_, Ok(winner))) => return Ok(winner),
                Some((address, Err(error))) => failed.push((address, error)),
                None => return Err(failed),
            },
            () = next, if !is_last => {}
        }
        running.extend(queue.next().map(&start));
    }
}

/// Alternates between the address families, beginning with the resolver's first choice (RFC 8305, section 4).
fn interleaved(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<SocketAddr>, Vec<_>) =
        addresses.iter().copied().partition(|address| address.is_ipv6() == is_v6);
    let mut sorted = Vec::with_capacity(addresses.len());
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    while sorted.len() < addresses.len() {
        sorted.extend(first.next());
        sorted.extend(second.next());
    }
    sorted
}

/// One error for all: unchanged if all are equal, otherwise each with its address.
fn summary(failed: Vec<(SocketAddr, io::Error)>) -> io::Error {
    let text = |error: &io::Error| match error.kind() {
        io::ErrorKind::TimedOut => "no answer".to_owned(),
        _ => error.to_string(),
    };
    let mut errors = failed.iter();
    let Some((_, first)) = errors.next() else { return io::Error::other("no address") };
    if errors.all(|(_, error)| text(error) == text(first)) {
        return failed.into_iter().next().map_or_else(|| io::Error::other("no address"), |(_, error)| error);
    }
    let kind = failed.iter().map(|(_, error)| error.kind()).find(|kind| *kind != io::ErrorKind::TimedOut);
    let each: Vec<_> = failed.iter().map(|(address, error)| format!("{address}: {}", text(error))).collect();
    io::Error::new(kind.unwrap_or(io::ErrorKind::Other), each.join("; "))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]
mod tests {
    use std::future::pending;

    use parking_lot::Mutex;
    use tokio::time::Instant;

    use super::*;

    fn addresses(of: &[&str]) -> Vec<SocketAddr> {
        of.iter().map(|address| address.parse().unwrap()).collect()
    }

    #[test]
    fn families_alternate_from_the_resolvers_first_choice() {
        let sorted = interleaved(&addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"]));
        assert_eq!(sorted, addresses(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"]));
        let sorted = interleaved(&addresses(&["1.1.1.1:1", "[::1]:1"]));
        assert_eq!(sorted, addresses(&["1.1.1.1:1", "[::1]:1"]));
        assert_eq!(interleaved(&[]), []);
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_drops_packets_costs_250_ms() {
        let all = addresses(&["[::1]:1", "[::2]:1", "1.1.1.1:1"]);
        let started = Instant::now();
        let attempt = |address: SocketAddr| async move {
            if address.is_ipv6() { pending().await } else { Ok::<_, ()>(address) }
        };
        let won = timeout(Duration::from_mins(1), race(&all, attempt)).await;
        assert_eq!(won, Ok(Ok(all[2])));
        assert_eq!(started.elapsed(), STAGGER);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_starts_the_next_attempt_at_once() {
        let all = addresses(&["1.1.1.1:1", "2.2.2.2:1", "3.3.3.3:1"]);
        let started = Instant::now();
        let tried = Mutex::new(vec![]);
        let attempt = |address: SocketAddr| {
            tried.lock().push(address);
            async move { if address.port() == 1 { Err::<(), _>("refused") } else { Ok(()) } }
        };
        let failed = race(&all, attempt).await.unwrap_err();
        assert_eq!(failed.len(), 3);
        assert_eq!(*tried.lock(), all);
        assert_eq!(started.elapsed(), Duration::ZERO);
        assert_eq!(race(&[], attempt).await, Err(vec![]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_address_still_wins_over_later_failures() {
        let all = addresses(&["1.1.1.1:1", "2.2.2.2:1"]);
        let attempt = |address: SocketAddr| async move {
            if address == "1.1.1.1:1".parse().unwrap() {
                sleep(Duration::from_secs(5)).await;
                Ok(address)
            } else {
                Err("refused")
            }
        };
        assert_eq!(race(&all, attempt).await, Ok(all[0]));
    }

    #[tokio::test]
    async fn a_host_whose_first_address_drops_packets_is_reached() {
        // A listener whose queue is full answers no further SYN.
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let hole = socket.listen(0).unwrap();
        let address = hole.local_addr().unwrap();
        let moment = Duration::from_millis(300);
        let mut queued = vec![];
        while let Ok(Ok(stream)) = timeout(moment, TcpStream::connect(address)).await {
            queued.push(stream);
        }
        let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let right = server.local_addr().unwrap();
        let connected =
            timeout(Duration::from_secs(20), connect(&[address, right], Duration::from_mins(5))).await;
        let stream = connected.expect("the first address held it up").unwrap();
        assert_eq!(stream.peer_addr().unwrap(), right);
        let silent = connect(&[address], moment).await.unwrap_err();
        assert_eq!(silent.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn failures_that_differ_are_named_by_address() {
        let [one, two] = addresses(&["[::1]:443", "127.0.0.1:443"])[..] else { return };
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let late = || io::Error::from(io::ErrorKind::TimedOut);
        assert_eq!(summary(vec![(one, late()), (two, late())]).kind(), io::ErrorKind::TimedOut);
        assert_eq!(summary(vec![(one, refused())]).to_string(), "connection refused");
        let both = summary(vec![(one, refused()), (two, late())]);
        assert_eq!(both.to_string(), "[::1]:443: connection refused; 127.0.0.1:443: no answer");
        assert_eq!(both.kind(), io::ErrorKind::ConnectionRefused);
    }
}
