//! The log as a table, for people who ask questions. Made from the log, behind it, never on the path of a call.
//!
//! The projection follows the journal by itself: nothing is sent to it, so it can lag and cannot block. It carries the index up
//! to which it is valid and the hash of the last entry in it; when that does not fit the log it is made anew.

use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use evidence::{decode_trusted, leaf_hash};
use model::{RequestId, UnixMillis};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, params, params_from_iter};

use crate::error::StoreError;
use crate::journal::Follower;
use crate::port::FilePort;
use crate::progress::{Progress, breathe};
use crate::row::{Filter, Row};
use crate::usage::{self, UsageBy, UsageRow};

/// Version of the tables; another one is made anew.
const SCHEMA: i64 = 4;
/// Most entries in one transaction.
const MAX_AT_ONCE: usize = 4096;
/// So long without a step, and the projection does not follow the log any more.
const STUCK: Duration = Duration::from_secs(60);
/// Longest lag while nobody asks.
const EVERY: Duration = Duration::from_millis(250);

const TABLES: &str = "
    CREATE TABLE entry (
        idx INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, request TEXT, credential TEXT, principal TEXT,
        action TEXT, resource TEXT, verdict TEXT, reason TEXT, result TEXT, count INTEGER
    );
    CREATE INDEX entry_request ON entry (request) WHERE request IS NOT NULL;
    CREATE TABLE usage (
        idx INTEGER PRIMARY KEY, at INTEGER NOT NULL, chain TEXT NOT NULL, subject TEXT NOT NULL, agent TEXT, task TEXT NOT NULL,
        model TEXT NOT NULL, input INTEGER NOT NULL, cached INTEGER NOT NULL, cache_write INTEGER NOT NULL,
        output INTEGER NOT NULL, reasoning INTEGER NOT NULL, cost INTEGER, is_estimate INTEGER NOT NULL
    );
    CREATE INDEX usage_at ON usage (at);
    CREATE TABLE counted (idx INTEGER NOT NULL, quantity TEXT NOT NULL, amount INTEGER NOT NULL, PRIMARY KEY (idx, quantity));
    CREATE TABLE valid (through INTEGER NOT NULL, leaf TEXT NOT NULL);
    INSERT INTO valid VALUES (0, '');
";

/// Opens the file; what cannot be read, or is of another version, is made anew.
pub(crate) fn open(path: &Path) -> Result<Connection, StoreError> {
    restrict(path)?;
    if let Ok(connection) = connect(path)
        && connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0)).ok() == Some(SCHEMA)
        && valid(&connection).is_ok()
    {
        return Ok(connection);
    }
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match fs::remove_file(&name) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::io("remove", Path::new(&name))(error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    restrict(path)?;
    let connection = connect(path)?;
    connection.execute_batch(&format!("BEGIN; {TABLES} PRAGMA user_version = {SCHEMA}; COMMIT;"))?;
    Ok(connection)
}

/// For its owner only, as is every file here; the library's own files take after this one. Before any connection: closing a file
/// gives up every lock that the process holds on it.
fn restrict(path: &Path) -> Result<(), StoreError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(StoreError::io("create", path)(error)),
        Ok(_) | Err(_) => {}
    }
    fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(StoreError::io("restrict", path))
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // The log is the truth: what a loss of power takes from the projection is read again.
    connection.pragma_update(None, "synchronous", "off")?;
    // Nothing is written outside the folder: elsewhere may be read-only, or readable by others.
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.busy_timeout(Duration::from_secs(5))?;
    Ok(connection)
}

fn valid(connection: &Connection) -> rusqlite::Result<(u64, String)> {
    connection.query_row("SELECT through, leaf FROM valid", [], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// The thread that follows the journal.
#[derive(Debug)]
pub(crate) struct Projector {
    connection: Connection,
    port: Arc<dyn FilePort>,
    progress: Arc<Progress>,
    follower: Follower,
    through: u64,
}

impl Projector {
    /// Stands where the projection ends, or at the beginning if it does not fit the log.
    pub(crate) fn new(connection: Connection, port: Arc<dyn FilePort>, progress: Arc<Progress>) -> Result<Self, StoreError> {
        let accepted = progress.lock().accepted;
        let (mut through, leaf) = valid(&connection)?;
        if through > accepted || !fits(&port, through, &leaf) {
            connection
                .execute_batch("BEGIN; DELETE FROM entry; DELETE FROM usage; DELETE FROM counted; UPDATE valid SET through = 0, leaf = ''; COMMIT;")?;
            through = 0;
        }
        let follower = Follower::new(Arc::clone(&port), through)?;
        progress.update(|state| state.projected = through);
        Ok(Self { connection, port, progress, follower, through })
    }

    /// Runs until the writer has ended and everything is projected.
    pub(crate) fn run(mut self) {
        loop {
            let (accepted, is_last) = {
                let mut state = self.progress.wait(EVERY, |state| state.wanted.projection || state.ended.writer);
                state.wanted.projection = false;
                (state.accepted, state.ended.writer)
            };
            while self.through < accepted {
                if let Err(error) = self.advance(accepted) {
                    tracing::warn!(%error, "the projection lags");
                    if let Ok(follower) = Follower::new(Arc::clone(&self.port), self.through) {
                        self.follower = follower;
                    }
                    break;
                }
            }
            if is_last {
                break;
            }
        }
        self.progress.update(|state| state.ended.projector = true);
    }

    fn advance(&mut self, accepted: u64) -> Result<(), StoreError> {
        let transaction = self.connection.transaction()?;
        let mut last = None;
        {
            let mut insert = transaction
                .prepare_cached("INSERT OR REPLACE INTO entry VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)")?;
            for _ in 0..MAX_AT_ONCE {
                let Some((index, entry)) = self.follower.read_entry(accepted)? else { break };
                breathe(index);
                let header =
                    decode_trusted(&entry).map_err(|error| StoreError::damaged(format!("entry {index}"), error.to_string()))?;
                let row = Row::new(index, &header);
                let at = i64::try_from(row.at.0).unwrap_or(i64::MAX);
                insert.execute(params![
                    row.index,
                    at,
                    row.kind,
                    row.request,
                    row.credential,
                    row.principal,
                    row.action,
                    row.resource,
                    row.verdict,
                    row.reason,
                    row.result,
                    row.count
                ])?;
                usage::insert(&transaction, index, &header)?;
                last = Some((index.saturating_add(1), entry));
            }
        }
        let Some((through, entry)) = last else { return Ok(()) };
        let leaf = leaf_hash(&entry);
        transaction.execute("UPDATE valid SET through = ?1, leaf = ?2", params![through, leaf.to_string()])?;
        transaction.commit()?;
        self.through = through;
        self.progress.update(|state| state.projected = through);
        Ok(())
    }
}

/// Whether entry `through - 1` of the log has this hash.
fn fits(port: &Arc<dyn FilePort>, through: u64, leaf: &str) -> bool {
    let Some(last) = through.checked_sub(1) else { return true };
    let item = Follower::new(Arc::clone(port), last).and_then(|mut follower| follower.read(through));
    item.is_ok_and(|item| item.is_some_and(|item| leaf_hash(&item.entry).to_string() == leaf))
}

/// The reading side.
#[derive(Debug)]
pub(crate) struct Projection {
    connection: Mutex<Connection>,
    progress: Arc<Progress>,
}

impl Projection {
    pub(crate) fn new(path: &Path, progress: Arc<Progress>) -> Result<Self, StoreError> {
        Ok(Self { connection: Mutex::new(connect(path)?), progress })
    }

    /// Waits, at most two seconds, until everything that was accepted before can be found.
    fn catch_up(&self) {
        let accepted = self.progress.update(|state| {
            state.wanted.projection = true;
            state.accepted
        });
        drop(self.progress.wait(Duration::from_secs(2), |state| state.projected >= accepted || state.ended.projector));
    }

    pub(crate) fn query(&self, filter: &Filter) -> Result<Vec<Row>, StoreError> {
        self.catch_up();
        let mut conditions = vec!["1 = 1".to_owned()];
        let mut values: Vec<Value> = Vec::new();
        let mut add = |condition: &str, value: Option<Value>| {
            if let Some(value) = value {
                values.push(value);
                conditions.push(condition.replace('?', &format!("?{}", values.len())));
            }
        };
        let text = |text: &String| Value::Text(text.clone());
        let number = |number: u64| Value::Integer(i64::try_from(number).unwrap_or(i64::MAX));
        add("request = ?", filter.request.map(|request| Value::Text(request.to_string())));
        add("kind = ?", filter.kind.map(|kind| Value::Text(kind.as_str().to_owned())));
        add("instr(' ' || principal || ' ', ' ' || ? || ' ') > 0", filter.principal.as_ref().map(text));
        add("credential = ?", filter.credential.as_ref().map(text));
        add("resource = ?", filter.resource.as_ref().map(text));
        add("verdict = ?", filter.verdict.as_ref().map(text));
        add("reason = ?", filter.reason.as_ref().map(text));
        add("result = ?", filter.result.map(|result| Value::Text(result.as_str().to_owned())));
        add("at >= ?", filter.since.map(|since| number(since.0)));
        add("at < ?", filter.until.map(|until| number(until.0)));
        add("idx < ?", filter.before.map(number));
        let limit = filter.limit();
        let sql = format!("SELECT * FROM entry WHERE {} ORDER BY idx DESC LIMIT {limit}", conditions.join(" AND "));
        self.rows(&sql, values)
    }

    /// Every entry of one interaction, oldest first.
    pub(crate) fn by_request(&self, request: RequestId) -> Result<Vec<Row>, StoreError> {
        self.catch_up();
        self.rows("SELECT * FROM entry WHERE request = ?1 ORDER BY idx", vec![Value::Text(request.to_string())])
    }

    /// Up to which entry the projection is valid.
    pub(crate) fn through(&self) -> Result<u64, StoreError> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let through = connection.query_row("SELECT through FROM valid", [], |row| row.get(0)).optional()?;
        Ok(through.unwrap_or(0))
    }

    /// Waits until everything that was accepted before can be found, however long that takes while it goes on.
    fn catch_up_whole(&self) -> Result<(), StoreError> {
        let (accepted, mut projected) = self.progress.update(|state| (state.accepted, state.projected));
        loop {
            let state = self.progress.update(|state| {
                state.wanted.projection = true;
                state.projected
            });
            if state >= accepted {
                return Ok(());
            }
            let later = self.progress.wait(STUCK, |state| state.projected > projected || state.ended.projector).projected;
            if later <= projected {
                return Err(StoreError::damaged("projection.db", "does not follow the log; remove it, it is made anew"));
            }
            projected = later;
        }
    }

    /// What was used by calls that reserved since `since`, as [`usage::since`].
    pub(crate) fn usage(&self, by: UsageBy, since: UnixMillis) -> Result<Vec<UsageRow>, StoreError> {
        self.catch_up();
        usage::since(&self.connection.lock().unwrap_or_else(PoisonError::into_inner), by, since)
    }

    /// Everything that counts in a budget at `now`, as [`usage::past`].
    pub(crate) fn past(&self, now: UnixMillis) -> Result<Vec<budget::Past>, StoreError> {
        self.catch_up_whole()?;
        usage::past(&self.connection.lock().unwrap_or_else(PoisonError::into_inner), now)
    }

    fn rows(&self, sql: &str, values: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let mut statement = connection.prepare_cached(sql)?;
        let rows = statement.query_map(params_from_iter(values), |row| {
            Ok(Row {
                index: row.get(0)?,
                at: UnixMillis(row.get(1)?),
                kind: row.get(2)?,
                request: row.get(3)?,
                credential: row.get(4)?,
                principal: row.get(5)?,
                action: row.get(6)?,
                resource: row.get(7)?,
                verdict: row.get(8)?,
                reason: row.get(9)?,
                result: row.get(10)?,
                count: row.get(11)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<Vec<Row>>>()?)
    }
}
