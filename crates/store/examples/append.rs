//! Measures the log on this disk: accepted entries a second, how long one acceptance takes, and how long until an entry is under
//! a signed checkpoint. `cargo run --release -p portcullis-store --example append [ENTRIES] [CALLERS]`

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use evidence::{EntryKind, Header};
use model::{Action, Ask, Chain, PrincipalId, ReasonCode, RequestId, Resource, UnixMillis, Verdict};
use store::{Audit, Content, Draft, Log, Options, Store};

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let n_entries: u64 = arguments.next().map_or(Ok(200_000), |text| text.parse())?;
    let n_callers: u64 = arguments.next().map_or(Ok(32), |text| text.parse())?;
    let dir = std::env::temp_dir().join(format!("portcullis-append-{}", std::process::id()));
    let measured = measure(&dir, n_entries, n_callers);
    std::fs::remove_dir_all(&dir)?;
    measured
}

#[expect(clippy::print_stdout, reason = "printing is what this example is for")]
fn measure(dir: &Path, n_entries: u64, n_callers: u64) -> Result<(), Failure> {
    Store::init(dir, UnixMillis(0))?;
    let store = Store::open(dir, Options::default())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build()?;
    let per_caller = n_entries / n_callers.max(1);

    let sealing = Arc::new(Mutex::new(Vec::new()));
    let is_over = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let watcher = {
        let (log, sealing, is_over) = (store.log.clone(), Arc::clone(&sealing), Arc::clone(&is_over));
        std::thread::spawn(move || watch(&log, &sealing, &is_over))
    };

    let started = Instant::now();
    let waits = runtime.block_on(async {
        let callers: Vec<_> = (0..n_callers).map(|caller| tokio::spawn(call(store.log.clone(), caller, per_caller))).collect();
        let mut waits = Vec::new();
        for caller in callers {
            waits.extend(caller.await??);
        }
        Ok::<_, Failure>(waits)
    })?;
    let elapsed = started.elapsed();
    let n_done = waits.len();
    println!("accepted: {n_done} entries in {elapsed:.2?}, {:.0} entries/s", n_done as f64 / elapsed.as_secs_f64());
    println!("accept:   {}", quantiles(waits));

    while store.log.status().sealed < store.log.status().accepted {
        std::thread::sleep(Duration::from_millis(5));
    }
    println!("sealed:   {} (as fast as it accepts)", quantiles(take(&sealing)?));

    // The budget's rate: 20 callers, 1,000 entries a second each, for five seconds.
    let paced = runtime.block_on(async {
        let callers: Vec<_> = (0..20).map(|caller| tokio::spawn(pace(store.log.clone(), n_callers + 10 + caller))).collect();
        let mut waits = Vec::new();
        for caller in callers {
            waits.extend(caller.await??);
        }
        Ok::<_, Failure>(waits)
    })?;
    println!("at 20,000/s: accept {}", quantiles(paced));
    while store.log.status().sealed < store.log.status().accepted {
        std::thread::sleep(Duration::from_millis(5));
    }
    println!("             sealed {}", quantiles(take(&sealing)?));

    // One caller alone: what a single call waits.
    let alone = runtime.block_on(call(store.log.clone(), n_callers, 2000))?;
    println!("alone:    {}", quantiles(alone));
    let durable = runtime.block_on(async {
        let mut waits = Vec::new();
        for number in 0..200 {
            let started = Instant::now();
            store.log.durable(draft(n_callers + 1, number)).await?;
            waits.push(started.elapsed());
        }
        Ok::<_, Failure>(waits)
    })?;
    println!("durable:  {}", quantiles(durable));
    is_over.store(true, std::sync::atomic::Ordering::SeqCst);
    watcher.join().map_err(|_| "the watcher panicked")?;

    let closing = Instant::now();
    store.close()?;
    println!("close:    {:.2?}", closing.elapsed());
    let opening = Instant::now();
    drop(Store::open(dir, Options::default())?);
    println!("open and close again: {:.2?}", opening.elapsed());
    let verifying = Instant::now();
    let report = Audit::open_offline(dir, None)?.verify();
    println!(
        "verify:   {:.2?} for {} entries, {} contents, {} problems",
        verifying.elapsed(),
        report.entries,
        report.contents,
        report.problems.len()
    );
    Ok(())
}

async fn call(log: Log, caller: u64, n_entries: u64) -> Result<Vec<Duration>, Failure> {
    let mut waits = Vec::new();
    for number in 0..n_entries {
        let draft = draft(caller, number);
        let started = Instant::now();
        log.accept(draft).await?;
        waits.push(started.elapsed());
    }
    Ok(waits)
}

/// What the watcher has noted, after it has had time to note the last.
fn take(sealing: &Mutex<Vec<Duration>>) -> Result<Vec<Duration>, Failure> {
    std::thread::sleep(Duration::from_millis(20));
    Ok(std::mem::take(&mut *sealing.lock().map_err(|_| "poisoned")?))
}

async fn pace(log: Log, caller: u64) -> Result<Vec<Duration>, Failure> {
    let mut ticks = tokio::time::interval(Duration::from_millis(1));
    let mut waits = Vec::new();
    for number in 0..5000 {
        ticks.tick().await;
        let draft = draft(caller, number);
        let started = Instant::now();
        log.accept(draft).await?;
        waits.push(started.elapsed());
    }
    Ok(waits)
}

/// Looks every few milliseconds at what was accepted last, and notes when it is sealed.
fn watch(log: &Log, sealing: &Mutex<Vec<Duration>>, is_over: &std::sync::atomic::AtomicBool) {
    let mut waiting: std::collections::VecDeque<(u64, Instant)> = std::collections::VecDeque::new();
    while !is_over.load(std::sync::atomic::Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(2));
        let status = log.status();
        if waiting.back().is_none_or(|(accepted, _)| *accepted < status.accepted) {
            waiting.push_back((status.accepted, Instant::now()));
        }
        while let Some((_, since)) = waiting.pop_front_if(|(accepted, _)| *accepted <= status.sealed) {
            if let Ok(mut sealing) = sealing.lock() {
                sealing.push(since.elapsed());
            }
        }
    }
}

fn quantiles(mut waits: Vec<Duration>) -> String {
    waits.sort_unstable();
    let at =
        |share: usize| waits.get((waits.len() * share / 1000).min(waits.len().saturating_sub(1))).copied().unwrap_or_default();
    format!("p50 {:.1?}, p99 {:.1?}, p99.9 {:.1?}, max {:.1?}", at(500), at(990), at(999), at(1000))
}

/// An intent as a call of 2 KB makes it.
fn draft(caller: u64, number: u64) -> Draft {
    let mut random = [0; 10];
    for (target, source) in random.iter_mut().zip(caller.to_be_bytes().into_iter().skip(6).chain(number.to_be_bytes())) {
        *target = source;
    }
    let links: Vec<PrincipalId> = ["user:alice", "agent:travel"].iter().filter_map(|link| link.parse().ok()).collect();
    let model = "small".parse().ok().map(Resource::Model);
    let asks: Vec<Ask> = model.into_iter().map(|resource| Ask { action: Action::CallModel, resource }).collect();
    let header = Header {
        request: Some(RequestId::new(UnixMillis(number), random)),
        credential: "k7Qm2x9Lp0aZ".parse().ok(),
        chain: Chain::new(links).ok(),
        verdict: Some(Verdict::Deny),
        reason: Some(ReasonCode::PolicyDenied),
        epoch: Some(1),
        ledger_version: Some(1),
        ..Header::new(EntryKind::Intent, UnixMillis(number))
    }
    .with_asks(&asks);
    let content = Content::of(&header, vec![b'x'; 3000]);
    Draft { header, content: Some(content) }
}
