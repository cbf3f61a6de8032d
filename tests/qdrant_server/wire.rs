//! Connections that can be broken off from the inside, all at once.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

/// The open connections.
#[derive(Default)]
pub(super) struct Wires {
    /// Cancelled to cut those that are open, and replaced for those to come.
    scissors: Mutex<CancellationToken>,
}

impl Wires {
    pub(super) fn accept(self: &Arc<Self>, listener: TcpListener) -> impl Stream<Item = io::Result<Wire>> + use<> {
        let wires = Arc::clone(self);
        async_stream::stream! {
            loop {
                yield match listener.accept().await {
                    Ok((stream, _)) => stream.set_nodelay(true).map(|()| wires.wire(stream)),
                    Err(error) => Err(error),
                };
            }
        }
    }

    /// Breaks off every connection there is.
    pub(super) fn cut(&self) {
        std::mem::take(&mut *self.scissors.lock().unwrap_or_else(PoisonError::into_inner)).cancel();
    }

    fn wire(&self, stream: TcpStream) -> Wire {
        let scissors = self.scissors.lock().unwrap_or_else(PoisonError::into_inner);
        Wire { stream, cut: Box::pin(scissors.clone().cancelled_owned()) }
    }
}

/// One connection.
pub(super) struct Wire {
    stream: TcpStream,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Wire {
    fn uncut(&mut self, context: &mut Context<'_>) -> io::Result<Pin<&mut TcpStream>> {
        match self.cut.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionReset.into()),
            Poll::Pending => Ok(Pin::new(&mut self.stream)),
        }
    }
}

impl Connected for Wire {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.uncut(context) {
            Ok(stream) => stream.poll_read(context, into),
            Err(cut) => Poll::Ready(Err(cut)),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.uncut(context) {
            Ok(stream) => stream.poll_write(context, bytes),
            Err(cut) => Poll::Ready(Err(cut)),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.uncut(context) {
            Ok(stream) => stream.poll_flush(context),
            Err(cut) => Poll::Ready(Err(cut)),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
