//! Answers every request on a free loopback port with a fixed reply: plain, with findings, or streamed.
//!
//! Prints `{"port":N}` and ends when its standard input ends.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use testkit::replies;
use testkit::wire::{Wire, find};

struct Replies {
    plain: Vec<u8>,
    findings: Vec<u8>,
    stream: Vec<Vec<u8>>,
    tool: Vec<u8>,
}

fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    writeln!(io::stdout(), "{{\"port\":{}}}", listener.local_addr()?.port())?;
    let replies: &'static Replies = Box::leak(Box::new(Replies {
        plain: replies::chat(&replies::prose()),
        findings: replies::chat(&replies::prose_with_findings()),
        stream: replies::stream(&replies::prose()),
        tool: replies::tool(&replies::prose()),
    }));
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream, replies));
        }
    });
    io::stdin().lock().read_to_end(&mut Vec::new()).map(|_| ())
}

/// A peer that leaves ends its thread; there is nothing else to do about it.
fn serve(stream: TcpStream, replies: &Replies) -> io::Result<()> {
    let mut wire = Wire::new(stream)?;
    loop {
        let Some(message) = wire.message()? else { return Ok(()) };
        let (streamed, findings) = (find(message.body, replies::WANTS_STREAM), find(message.body, replies::WANTS_FINDINGS));
        if find(message.body, replies::WANTS_TOOL).is_some() {
            wire.stream().write_all(&replies.tool)?;
        } else if streamed.is_some() {
            for part in &replies.stream {
                wire.stream().write_all(part)?;
            }
        } else {
            wire.stream().write_all(if findings.is_some() { &replies.findings } else { &replies.plain })?;
        }
    }
}
