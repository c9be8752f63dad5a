//! A subscriber that costs as little as possible: it shares the machine with what is measured.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

pub(crate) struct Subscriber {
    stream: BufReader<TcpStream>,
    line: String,
    body: Vec<u8>,
    next: Option<usize>,
}

impl Subscriber {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_mins(1))).unwrap();
        let mut stream = BufReader::with_capacity(1 << 18, stream);
        stream
            .get_mut()
            .write_all(b"CONNECT {\"verbose\":false,\"headers\":true}\r\nSUB cti.> 1\r\nPING\r\n")
            .unwrap();
        let mut subscriber = Self { stream, line: String::new(), body: Vec::new(), next: None };
        while subscriber.read_line() != "PONG" {}
        subscriber
    }

    fn read_line(&mut self) -> &str {
        self.line.clear();
        assert!(self.stream.read_line(&mut self.line).unwrap() > 0, "the server closed the connection");
        self.line.trim_end()
    }

    /// The body of the next message, headers included.
    fn message(&mut self) -> &[u8] {
        loop {
            let line = self.read_line();
            if line == "PING" {
                self.stream.get_mut().write_all(b"PONG\r\n").unwrap();
                continue;
            }
            if !line.starts_with("MSG") && !line.starts_with("HMSG") {
                continue;
            }
            let size: usize = line.rsplit(' ').next().unwrap().parse().unwrap();
            self.body.resize(size + 2, 0);
            self.stream.read_exact(&mut self.body).unwrap();
            return &self.body;
        }
    }

    /// The numbers behind `"n":` and `"t":` of the next event.
    fn event(&mut self) -> (usize, u64) {
        loop {
            let body = self.message();
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

    /// Reads this many events and checks that none is missing and all are in order.
    pub(crate) fn count(mut self, events: usize, round: usize) -> (Self, usize) {
        for _ in 0..events {
            let (number, _) = self.event();
            assert!(
                self.next.is_none_or(|next| next == number),
                "{number} came where {:?} was due",
                self.next
            );
            self.next = Some((number + 1) % round);
        }
        (self, events)
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
