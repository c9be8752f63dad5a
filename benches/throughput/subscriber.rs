//! A subscriber that costs as little as possible, as it shares the machine with the measured process.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use rdkafka::consumer::BaseConsumer;

use super::{process::Server, topic};

pub(crate) struct Subscriber {
    feed: Feed,
    body: Vec<u8>,
    next: Option<usize>,
    disorder: usize,
}

enum Feed {
    Nats { stream: BufReader<TcpStream>, line: String },
    Kafka(Box<BaseConsumer>),
}

impl Feed {
    fn nats(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        let mut stream = BufReader::with_capacity(1 << 18, stream);
        stream
            .get_mut()
            .write_all(b"CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB cti.> 1\r\nPING\r\n")
            .unwrap();
        let mut line = String::new();
        while read_line(&mut stream, &mut line) != "PONG" {}
        Self::Nats { stream, line }
    }

    /// The body of the next message; with NATS, headers included.
    fn message(&mut self, body: &mut Vec<u8>) {
        let (stream, line) = match self {
            Self::Kafka(consumer) => return topic::next(consumer, body),
            Self::Nats { stream, line } => (stream, line),
        };
        loop {
            let line = read_line(stream, line);
            if line == "PING" {
                stream.get_mut().write_all(b"PONG\r\n").unwrap();
                continue;
            }
            if !line.starts_with("MSG") && !line.starts_with("HMSG") {
                continue;
            }
            let size: usize = line.rsplit(' ').next().unwrap().parse().unwrap();
            body.resize(size + 2, 0);
            return stream.read_exact(body).unwrap();
        }
    }
}

fn read_line<'a>(stream: &mut BufReader<TcpStream>, line: &'a mut String) -> &'a str {
    line.clear();
    assert!(stream.read_line(line).unwrap() > 0, "the server closed the connection");
    line.trim_end()
}

impl Subscriber {
    pub(crate) fn connect(server: &Server) -> Self {
        let feed = match server {
            Server::Nats { address, .. } => Feed::nats(*address),
            Server::Kafka(kafka) => Feed::Kafka(Box::new(topic::consumer(&kafka.address()))),
        };
        Self { feed, body: Vec::new(), next: None, disorder: 0 }
    }

    /// The fields `n` and `t` of the next event.
    fn event(&mut self) -> (usize, u64) {
        loop {
            self.feed.message(&mut self.body);
            let body = &self.body;
            let Some(at) = memchr::memmem::find(body, b"\"n\":") else { continue };
            let number = |from: usize, digits: usize| {
                body[from..from + digits]
                    .iter()
                    .fold(0_u64, |value, &digit| value * 10 + u64::from(digit.saturating_sub(b'0')))
            };
            let digits = |from: usize| body[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            let (n, time) = (at + 4, memchr::memmem::find(body, b"\"t\":").unwrap() + 4);
            return (usize::try_from(number(n, digits(n))).unwrap(), number(time, digits(time)));
        }
    }

    /// Reads this many events.
    pub(crate) fn count(mut self, events: usize, round: usize) -> Self {
        for _ in 0..events {
            let (number, _) = self.event();
            self.disorder += usize::from(self.next.is_some_and(|next| next != number));
            self.next = Some((number + 1) % round);
        }
        self
    }

    /// The number of events that arrived in place of another; 0 if none are missing and all are in order.
    pub(crate) fn disorder(&self) -> usize {
        self.disorder
    }

    /// Microseconds from sending to arrival.
    pub(crate) fn latencies(&mut self, events: usize, now: fn() -> u64) -> Vec<u64> {
        (0..events)
            .map(|_| {
                let (_, sent) = self.event();
                now().saturating_sub(sent)
            })
            .collect()
    }
}
