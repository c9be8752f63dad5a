//! The writing side of a websocket.

use std::io;

use tokio::{
    io::{AsyncWriteExt, WriteHalf},
    sync::mpsc,
};

use super::{hub::Out, pbx::Pbx, socket::Io};

/// Bytes gathered before they are written.
const BLOCK: usize = 64 * 1024;

/// Writes what the queue gives until it ends, says so, or the connection breaks. Items that wait
/// together go out in one write.
pub(super) async fn run(
    pbx: &Pbx,
    mut io: WriteHalf<Io>,
    mut queue: mpsc::Receiver<Out>,
) -> Result<(), io::Error> {
    let mut batch = Vec::new();
    let mut block = Vec::with_capacity(BLOCK);
    while queue.recv_many(&mut batch, 256).await > 0 {
        for out in batch.drain(..) {
            match out {
                Out::Bytes(bytes) => block.extend_from_slice(&bytes),
                Out::Repeated(frames, count) => {
                    for frame in frames.iter().cycle().take(count) {
                        block.extend_from_slice(frame);
                        if block.len() >= BLOCK {
                            flush(pbx, &mut io, &mut block).await?;
                        }
                    }
                }
                Out::Numbered(template, mut numbers) => {
                    while !numbers.is_empty() {
                        template.fill(&mut numbers, BLOCK, &mut block);
                        flush(pbx, &mut io, &mut block).await?;
                    }
                }
                Out::End => return flush(pbx, &mut io, &mut block).await,
            }
            if block.len() >= BLOCK {
                flush(pbx, &mut io, &mut block).await?;
            }
        }
        flush(pbx, &mut io, &mut block).await?;
    }
    Ok(())
}

async fn flush(pbx: &Pbx, io: &mut WriteHalf<Io>, block: &mut Vec<u8>) -> Result<(), io::Error> {
    pbx.thawed().await;
    io.write_all(block).await?;
    block.clear();
    io.flush().await
}
