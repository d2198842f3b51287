//! Every layer alone refuses what it is for, and what it refuses can be done without it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use sandbox::Layer;
use serde_json::Value;

const PROBE: &str = env!("CARGO_BIN_EXE_sandbox-probe");
const DID: &str = "did it";

/// A folder with a profile, a file inside and one outside of it.
struct Place {
    folder: tempfile::TempDir,
}

/// What came of a run: what the probe said, and the report, or why there was no sandbox.
struct Ran {
    said: String,
    report: Result<Value, String>,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("inside")).unwrap();
        std::fs::write(folder.path().join("inside/file"), "x").unwrap();
        std::fs::write(folder.path().join("outside"), "x").unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Tries something in a sandbox that has these layers alone.
    fn with(&self, layers: &[Layer], more: &str, attempt: &[&str]) -> Ran {
        let without = Layer::ALL.iter().filter(|layer| !layers.contains(layer)).map(ToString::to_string).collect::<Vec<_>>();
        let text = format!("danger: {{without: [{}]}}\n{}", without.join(", "), self.profile(more));
        self.run(&text, attempt, "")
    }

    /// Tries something in a whole sandbox.
    fn whole(&self, more: &str, attempt: &[&str]) -> Ran {
        self.run(&self.profile(more), attempt, "")
    }

    fn profile(&self, more: &str) -> String {
        let program = PathBuf::from(PROBE);
        let folder = program.parent().unwrap().display();
        format!("files: {{write: ['{}'], execute: ['{folder}']}}\n{more}\n", self.path("inside"))
    }

    fn run(&self, profile: &str, attempt: &[&str], input: &str) -> Ran {
        let path = self.path("profile.yaml");
        std::fs::write(&path, profile).unwrap();
        let mut command = Command::new(PROBE);
        command.args(["run", &path, PROBE, "try"]).args(attempt).env("SECRET", "s3cret");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        let last = told.lines().last().unwrap_or_default();
        let report = serde_json::from_str(last).map_err(|_| told.clone());
        Ran { said: String::from_utf8(output.stdout).unwrap().trim_end().to_owned(), report }
    }
}

impl Ran {
    fn refused(&self) -> Vec<(String, String, String)> {
        let rows = self.report.as_ref().unwrap().get("refused").unwrap().as_array().unwrap();
        let text = |row: &Value, key: &str| row.get(key).unwrap().as_str().unwrap().to_owned();
        rows.iter().map(|row| (text(row, "call"), text(row, "target"), text(row, "by"))).collect()
    }

    fn ended(&self) -> Value {
        self.report.as_ref().unwrap().get("ended").unwrap().clone()
    }
}

/// The probe outside of any sandbox.
fn plain(attempt: &[&str]) -> String {
    let output = Command::new(PROBE).arg("try").args(attempt).env("SECRET", "s3cret").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// A process that is there until it is dropped.
struct Victim(Child);

impl Victim {
    fn new() -> Self {
        let mut child = Command::new(PROBE).args(["try", "hold"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        Self(child)
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// What is tried, and the layers that refuse it, each with what the system says then.
type Fact<'a> = (&'a [&'a str], &'a [(Layer, &'a str)]);

#[test]
fn each_layer_alone_refuses_what_it_is_for() {
    use Layer::{
        LandlockFiles as Files, LandlockScope as Scope, LandlockTcp as Tcp, NetworkNamespace as Network, PidNamespace as Pids,
        Seccomp, UserNamespace as Users,
    };
    let place = Place::new();
    let outside = place.path("outside");
    let (path, name) = (place.path("socket"), format!("portcullis-probe-{}", std::process::id()));
    let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let _unix = UnixListener::bind(&path).unwrap();
    let _abstract = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let (tcp, udp) = (tcp.local_addr().unwrap().port().to_string(), udp.local_addr().unwrap().port().to_string());
    let victim = Victim::new();
    let pid = victim.0.id().to_string();
    let (denied, not_permitted) = ("Permission denied (os error 13)", "Operation not permitted (os error 1)");
    let (unreachable, absent, no_process) =
        ("Network is unreachable (os error 101)", "No such file or directory (os error 2)", "No such process (os error 3)");
    let facts: &[Fact<'_>] = &[
        (&["read", &outside], &[(Files, denied)]),
        (&["write", &outside], &[(Files, denied)]),
        (&["truncate", &outside], &[(Files, denied)]),
        (&["start", "/usr/bin/env"], &[]),
        (&["tcp", &tcp], &[(Tcp, denied), (Seccomp, not_permitted), (Network, unreachable)]),
        (&["udp", &udp], &[(Seccomp, not_permitted), (Network, unreachable)]),
        (&["unix", &path], &[(Seccomp, not_permitted)]),
        (
            &["abstract", &name],
            &[(Scope, not_permitted), (Seccomp, not_permitted), (Network, "Connection refused (os error 111)")],
        ),
        (&["trace", &pid], &[(Pids, "No such process"), (Seccomp, "Operation not permitted")]),
        (&["environ", &pid], &[(Pids, absent), (Files, denied)]),
        (&["signal", &pid], &[(Pids, no_process), (Scope, not_permitted)]),
        (&["unshare"], &[(Seccomp, "Operation not permitted")]),
        (&["datagrams"], &[(Seccomp, not_permitted)]),
        (&["pair"], &[]),
        (&["read", "/usr/bin/env"], &[]),
    ];
    for (attempt, layers) in facts {
        assert_eq!(plain(attempt), DID, "{attempt:?} outside");
        for (layer, expected) in *layers {
            // A namespace needs the rights that a user namespace gives.
            let ran = place.with(&[*layer, Users], "report: none", attempt);
            assert_eq!(&ran.said, expected, "{attempt:?} under {layer}: {:?}", ran.report);
        }
        let ran = place.whole("", attempt);
        assert_eq!(ran.said == DID, layers.is_empty(), "{attempt:?} in a whole sandbox: {} {:?}", ran.said, ran.report);
    }
    // Without any layer that could, nothing refuses it.
    let ran = place.with(&[Users], "report: none", &["read", &outside]);
    assert_eq!(ran.said, DID);
}

#[test]
fn what_was_refused_is_told() {
    let place = Place::new();
    let outside = place.path("outside");
    let read = place.whole("", &["read", &outside]).refused();
    assert!(read.contains(&("openat".to_owned(), outside.clone(), "landlock".to_owned())), "{read:?}");
    let sent = place.whole("", &["udp", "9"]).refused();
    assert!(sent.contains(&("socket".to_owned(), "internet datagram".to_owned(), "seccomp".to_owned())), "{sent:?}");
    let traced = place.whole("", &["trace", "1"]).refused();
    assert!(traced.iter().any(|(call, _, by)| call == "ptrace" && by == "seccomp"), "{traced:?}");
    let calls = place.whole("report: calls", &["read", &outside]);
    assert_eq!((calls.refused(), calls.said.as_str()), (Vec::new(), "Permission denied (os error 13)"));
    let none = place.whole("report: none", &["udp", "9"]);
    assert_eq!((none.refused(), none.said.as_str()), (Vec::new(), "Operation not permitted (os error 1)"));
    let started = place.whole("", &["start", &place.path("inside/file")]);
    assert!(started.said.starts_with("Permission denied"), "{}", started.said);
}

#[test]
fn what_the_profile_names_can_be_done() {
    let place = Place::new();
    let (file, new) = (place.path("inside/file"), place.path("inside/new"));
    for attempt in [["read", &file], ["write", &new], ["truncate", &file], ["remove", &new]] {
        let ran = place.whole("", &attempt);
        assert_eq!((ran.said.as_str(), ran.refused()), (DID, Vec::new()), "{attempt:?}");
    }
    let words = "a line\nanother\n".repeat(20_000);
    let echoed = place.run(&place.profile(""), &["echo"], &words);
    assert_eq!(echoed.said, words.trim_end());
}

#[test]
fn nothing_is_handed_down() {
    let place = Place::new();
    assert_eq!(plain(&["variable", "SECRET"]), DID);
    assert_eq!(place.whole("", &["variable", "SECRET"]).said, "environment variable not found");
    assert_eq!(place.whole("env: {pass: [SECRET]}", &["variable", "SECRET"]).said, DID);
    assert_eq!(place.whole("", &["variable", "PORTCULLIS_SANDBOX_PLAN"]).said, "environment variable not found");
    // A descriptor that the caller's caller has forgotten to close.
    let file = std::fs::File::open(place.path("outside")).unwrap();
    rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty()).unwrap();
    let number = std::os::fd::AsRawFd::as_raw_fd(&file).to_string();
    assert_eq!(plain(&["descriptor", &number]), DID);
    assert!(place.whole("", &["descriptor", &number]).said.starts_with("No such file"));
    let status = place.whole("", &["status"]).said;
    for line in
        ["CapEff:\t0000000000000000", "CapPrm:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"]
    {
        assert!(status.contains(line), "{line} in {status}");
    }
    let own = std::fs::read_link("/proc/self/ns/ipc").unwrap().display().to_string();
    assert_eq!(place.with(&[Layer::UserNamespace], "report: none", &["link", "/proc/self/ns/ipc"]).said, own);
    assert_ne!(place.whole("", &["link", "/proc/self/ns/ipc"]).said, own);
}

#[test]
fn limits_hold() {
    let place = Place::new();
    assert_eq!(plain(&["memory", "200"]), DID);
    let ran = place.whole("limits: {memory_mb: 100}", &["memory", "200"]);
    assert!(ran.said != DID, "{} {:?}", ran.said, ran.report);
    let ran = place.whole("limits: {memory_mb: 400}", &["memory", "200"]);
    assert_eq!(ran.said, DID);
    assert_eq!(plain(&["spin", "2"]), DID);
    let ran = place.whole("limits: {cpu_seconds: 1}", &["spin", "3"]);
    assert_eq!(ran.ended(), serde_json::json!({"exited": 128 + 24}), "SIGXCPU");
    let ran = place.whole("limits: {wall_seconds: 1}", &["hold"]);
    assert_eq!((ran.said.as_str(), ran.ended()), ("held", Value::from("wall-limit")));
    let ran = place.whole("limits: {grace_seconds: 0}", &["hold"]);
    assert_eq!(ran.ended(), Value::from("input-closed"));
    assert_eq!(plain(&["forks", "40"]), DID);
    for report in ["all", "none"] {
        let ran =
            place.whole(&format!("limits: {{processes: 16, wall_seconds: 60}}\nreport: {report}"), &["forks", "40", "hold"]);
        // The kernel refuses it, where the user is not root; else all of it is ended.
        let is_refused = ran.said.starts_with("Resource temporarily unavailable");
        assert!(is_refused || ran.ended() == "process-limit", "{report}: {} {:?}", ran.said, ran.report);
    }
    let ran = place.whole("limits: {processes: 64}", &["forks", "40"]);
    assert_eq!(ran.said, DID, "{:?}", ran.report);
}

#[test]
fn many_processes_together_use_no_more_memory() {
    let place = Place::new();
    // Each is small enough; the third is one too many.
    let script = format!("for i in 1 2 3 4; do {PROBE} try memory 60 hold & done; wait");
    let profile = format!(
        "files: {{execute: ['{}']}}\nlimits: {{memory_mb: 100, wall_seconds: 20}}\n",
        PathBuf::from(PROBE).parent().unwrap().display()
    );
    let path = place.path("profile.yaml");
    std::fs::write(&path, profile).unwrap();
    let output = Command::new(PROBE).args(["run", &path, "sh", "-c", &script]).stdin(Stdio::piped()).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains(r#""ended":"memory-limit""#), "{told}");
}

#[test]
fn a_user_who_is_not_root_has_every_layer() {
    let place = Place::new();
    let folder = place.folder.path();
    let probe = folder.join("probe");
    std::fs::copy(PROBE, &probe).unwrap();
    let profile = format!("files: {{write: ['{}'], execute: ['{}']}}\n", place.path("inside"), folder.display());
    std::fs::write(place.path("own.yaml"), profile).unwrap();
    let is_root = rustix::process::geteuid().is_root();
    for path in [folder, &folder.join("inside"), &probe] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
    }
    let run = |arguments: &[&str]| {
        let mut command = Command::new(&probe);
        command.args(arguments).stdin(Stdio::null());
        // Whoever is none already.
        if is_root {
            command.uid(65_534).gid(65_534);
        }
        let output = command.output().unwrap();
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
    };
    let own = run(&["probe"]);
    // Where namespaces are not for users, none of this holds for root's either.
    if place.whole("", &["pair"]).report.is_ok() {
        assert!(own.lines().all(|line| line.split(' ').nth(1) == Some("true")), "{own}");
    }
    let (path, secret) = (place.path("inside/new"), place.path("outside"));
    let profile = place.path("own.yaml");
    let shown = probe.display().to_string();
    let (named, other) = (["run", &profile, &shown, "try", "write", &path], ["run", &profile, &shown, "try", "write", &secret]);
    let (named, other) = (run(&named), run(&other));
    assert!(named.starts_with(DID) && other.starts_with("Permission denied"), "{named} {other}");
    let status = run(&["run", &profile, &shown, "try", "status"]);
    for line in ["CapEff:\t0000000000000000", "CapAmb:\t0000000000000000", "CapBnd:\t0000000000000000", "Seccomp:\t2"] {
        assert!(status.contains(line), "{line} in {status}");
    }
    let forks = run(&["run", &profile, &shown, "try", "forks", "200"]);
    assert!(forks.starts_with("Resource temporarily unavailable"), "the kernel holds the limit for who is not root: {forks}");
}

#[test]
fn a_missing_layer_is_a_refusal_that_names_it() {
    let place = Place::new();
    let found = Command::new(PROBE).arg("probe").output().unwrap();
    let found = String::from_utf8(found.stdout).unwrap();
    assert_eq!(found.lines().count(), Layer::ALL.len() + 1);
    // Inside a sandbox there is none: a user namespace is one of the calls that are refused.
    let inner = place.path("inner.yaml");
    std::fs::write(&inner, "{}").unwrap();
    let program = PathBuf::from(PROBE);
    let profile = format!(
        "files: {{read: ['{}'], execute: ['{}']}}\nreport: none\n",
        place.folder.path().display(),
        program.parent().unwrap().display()
    );
    let path = place.path("outer.yaml");
    std::fs::write(&path, profile).unwrap();
    let output = Command::new(PROBE).args(["run", &path, PROBE, "run", &inner, "true"]).stdin(Stdio::null()).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("none: "), "{told}");
    let mut rest = String::new();
    output.stdout.as_slice().read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
}
