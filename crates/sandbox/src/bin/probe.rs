//! Tries what a sandbox refuses, for the tests of this crate: `sandbox-probe try WHAT ARGUMENTS…` alone, and
//! `sandbox-probe run PROFILE COMMAND…` in a sandbox. Prints `did it` or what the system said.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use config::{Source, SourceError};
use nix::sched::{CloneFlags, unshare};
use nix::sys::ptrace;
use rustix::process::Pid;
use sandbox::{Event, Launcher, Plan, Stage};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["exec", "--stage", name] => {
            let Some(stage) = Stage::ALL.into_iter().find(|stage| stage.as_str() == *name) else { return 3.into() };
            sandbox::stage(stage, Launcher::own().command(Stage::Inside)).into()
        }
        ["run", profile, command @ ..] => run(profile, command),
        ["probe"] => {
            for found in sandbox::probe(&Launcher::own()) {
                say(&format!("{} {} {}", found.layer, found.is_there, found.note));
            }
            ExitCode::SUCCESS
        }
        ["try", what, arguments @ ..] => {
            match attempt(what, arguments) {
                Ok(said) => say(&said),
                Err(why) => say(&why),
            }
            ExitCode::SUCCESS
        }
        _ => 3.into(),
    }
}

fn say(text: &str) {
    writeln!(std::io::stdout(), "{text}").ok();
}

fn run(profile: &str, command: &[&str]) -> ExitCode {
    let tell = |text: String| writeln!(std::io::stderr(), "{text}").ok();
    let profile = match config::sandbox_profile(&Disk, profile) {
        Ok(profile) => profile,
        Err(problems) => {
            tell(format!("{problems:?}"));
            return 3.into();
        }
    };
    let command: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
    let plan = Plan::new(&profile, Path::new("/"), &command, &|name| std::env::var(name).ok());
    let sink = |event: Event<'_>| {
        if let Event::Said(bytes) = event {
            std::io::stderr().write_all(bytes).ok();
        }
    };
    let ran = plan
        .map_err(|error| error.to_string())
        .and_then(|plan| {
            sandbox::run(plan, &Launcher::own(), std::io::stdin(), std::io::stdout(), sink).map_err(|error| error.to_string())
        })
        .and_then(|report| serde_json::to_string(&report).map_err(|error| error.to_string()));
    let is_there = ran.is_ok();
    tell(ran.unwrap_or_else(|why| format!("none: {why}")));
    if is_there { ExitCode::SUCCESS } else { 1.into() }
}

struct Disk;

impl Source for Disk {
    fn read(&self, path: &str, _: usize) -> Result<Vec<u8>, SourceError> {
        std::fs::read(path).map_err(|error| SourceError(error.to_string()))
    }

    fn list(&self, _: &str) -> Result<Vec<String>, SourceError> {
        Ok(Vec::new())
    }
}

fn attempt(what: &str, arguments: &[&str]) -> Result<String, String> {
    let text = |at: usize| arguments.get(at).copied().unwrap_or_default();
    let number = |at: usize| text(at).parse::<i32>().unwrap_or(0);
    let port = || u16::try_from(number(0)).unwrap_or(0);
    let io = |error: std::io::Error| error.to_string();
    let did = |()| "did it".to_owned();
    match what {
        "read" => std::fs::File::open(text(0)).map_err(io).map(drop).map(did),
        "write" => OpenOptions::new().create(true).append(true).open(text(0)).map_err(io).map(drop).map(did),
        "remove" => std::fs::remove_file(text(0)).map_err(io).map(did),
        "truncate" => OpenOptions::new().write(true).truncate(true).open(text(0)).map_err(io).map(drop).map(did),
        "start" => Command::new(text(0)).arg("--version").output().map_err(io).map(drop).map(did),
        "tcp" => TcpStream::connect((Ipv4Addr::LOCALHOST, port())).map_err(io).map(drop).map(did),
        "udp" => {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map_err(io)?;
            socket.send_to(b"x", (Ipv4Addr::LOCALHOST, port())).map_err(io).map(drop).map(did)
        }
        "abstract" => {
            let address = SocketAddr::from_abstract_name(text(0)).map_err(io)?;
            UnixStream::connect_addr(&address).map_err(io).map(drop).map(did)
        }
        "unix" => UnixStream::connect(text(0)).map_err(io).map(drop).map(did),
        "pair" => UnixStream::pair().map_err(io).map(drop).map(did),
        "datagrams" => std::os::unix::net::UnixDatagram::pair().map_err(io).map(drop).map(did),
        "trace" => {
            let pid = nix::unistd::Pid::from_raw(number(0));
            let seized = ptrace::seize(pid, ptrace::Options::empty());
            seized.map_err(|errno| errno.desc().to_owned()).map(did)
        }
        "environ" => std::fs::read(format!("/proc/{}/environ", number(0))).map_err(io).map(drop).map(did),
        "signal" => {
            let pid = Pid::from_raw(number(0)).ok_or("no process")?;
            rustix::process::test_kill_process(pid).map_err(|errno| std::io::Error::from(errno).to_string()).map(did)
        }
        "unshare" => unshare(CloneFlags::CLONE_NEWUSER).map_err(|errno| errno.desc().to_owned()).map(did),
        "variable" => std::env::var(text(0)).map_err(|error| error.to_string()).map(|_| "did it".to_owned()),
        "descriptor" => std::fs::read_link(format!("/proc/self/fd/{}", number(0))).map_err(io).map(drop).map(did),
        "link" => std::fs::read_link(text(0)).map_err(io).map(|link| link.display().to_string()),
        "status" => std::fs::read_to_string("/proc/self/status").map_err(io),
        "forks" => forks(number(0), text(1) == "hold"),
        "memory" => {
            let bytes = usize::try_from(number(0)).unwrap_or(0) << 20;
            let mut memory = Vec::new();
            memory.try_reserve_exact(bytes).map_err(|error| error.to_string())?;
            memory.resize(bytes, 1_u8);
            if text(1) == "hold" {
                attempt("hold", &[])?;
            }
            Ok(if std::hint::black_box(&memory).last() == Some(&1) { "did it".to_owned() } else { String::new() })
        }
        "spin" => {
            while processor_time().as_secs() < u64::try_from(number(0)).unwrap_or(0) {}
            Ok("did it".to_owned())
        }
        "hold" => {
            say("held");
            // A pipe that nobody writes to and nobody closes but the end of this process.
            let (mut from, _to) = std::io::pipe().map_err(io)?;
            from.read_to_end(&mut Vec::new()).map_err(io).map(drop).map(did)
        }
        "echo" => {
            let mut said = String::new();
            std::io::stdin().read_to_string(&mut said).map_err(io)?;
            Ok(said)
        }
        _ => Err("nothing of this name".to_owned()),
    }
}

/// Processor time of this process.
fn processor_time() -> std::time::Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
    std::time::Duration::from_millis(ticks * 10)
}

/// As many processes as are let, at most so many, all at the same time.
fn forks(most: i32, is_held: bool) -> Result<String, String> {
    let mut held = Vec::new();
    for _ in 0..most {
        match Command::new("/proc/self/exe").args(["try", "hold"]).stdout(Stdio::null()).spawn() {
            Ok(child) => held.push(child),
            Err(error) => {
                for child in &mut held {
                    child.kill().ok();
                }
                return Err(error.to_string());
            }
        }
    }
    if is_held {
        attempt("hold", &[])?;
    }
    for child in &mut held {
        child.kill().and_then(|()| child.wait()).map_err(|error| error.to_string())?;
    }
    Ok("did it".to_owned())
}
