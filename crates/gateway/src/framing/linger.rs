//! Closing a connection whose client may still be sending.

use std::os::fd::OwnedFd;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{DISCARD, PIECE};

/// Longest time that a client gets to read the answer to what was refused.
const LINGER: Duration = Duration::from_secs(1);

//= https://www.rfc-editor.org/rfc/rfc9112#section-9.6
//# To avoid the TCP reset problem, servers typically close a connection in stages.
/// Ends the writing side of a refused connection, then drops what still comes: at most 256 KiB, for at most 1 second.
///
/// `socket` is another handle of the connection. Without this, the bytes that nobody read would turn the close into a reset,
/// and a reset discards the answer that the client has not read yet.
pub async fn linger(socket: OwnedFd) {
    let Ok(stream) = TcpStream::from_std(std::net::TcpStream::from(socket)) else { return };
    drop(tokio::time::timeout(LINGER, drain(stream)).await);
}

async fn drain(mut stream: TcpStream) {
    // If the client has gone, reading tells.
    stream.shutdown().await.ok();
    let mut piece = vec![0; PIECE];
    let mut left = DISCARD;
    while left > 0 {
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return,
            Ok(count) => left = left.saturating_sub(count),
        }
    }
}
