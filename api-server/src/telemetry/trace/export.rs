//! The way of spans to a collector: a queue with an end, and a thread of its own.
//!
//! A request puts its spans into the queue and goes on; where it is full they are dropped and counted. A collector that is
//! slow or away holds up this thread alone. The library's own queue drops as well, and tells nobody how many.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter as _, SpanProcessor};
use prometheus::{IntCounter, IntCounterVec};
use tokio::sync::{mpsc, oneshot};

/// Spans that wait: some megabytes at the most.
const ROOM: usize = 4096;
/// Spans of one call.
const BATCH: usize = 512;
/// How long a call waits to be filled.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a call may take, with its repetitions.
const PATIENCE: Duration = Duration::from_secs(5);

/// The thread that sends.
pub(super) struct Exporter {
    /// Tells it to end, and hears when it has.
    end: Mutex<Option<(oneshot::Sender<()>, oneshot::Receiver<()>)>>,
}

/// Where ended spans go.
#[derive(Debug)]
pub(super) struct Queue {
    spans: mpsc::Sender<SpanData>,
    dropped: IntCounter,
    told: AtomicBool,
}

impl Exporter {
    /// Starts the thread.
    pub(super) fn start(
        endpoint: &str,
        resource: Resource,
        figures: IntCounterVec,
    ) -> Result<(Exporter, Queue), String> {
        let (sender, spans) = mpsc::channel(ROOM);
        let (stop, stopping) = oneshot::channel();
        let (ended, end) = oneshot::channel();
        let url = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let exporter = SpanExporter::builder().with_http().with_endpoint(url).with_timeout(PATIENCE).build();
        let mut exporter = exporter.map_err(|error| error.to_string())?;
        exporter.set_resource(&resource);
        let results = |result: &str| figures.with_label_values(&[result]);
        let dropped = results("dropped");
        let sending = Sending { exporter, exported: results("exported"), failed: results("failed"), away: false };
        let work = move || {
            // Its own requests to the collector are no part of any trace.
            let _quiet = Context::enter_telemetry_suppressed_scope();
            runtime.block_on(send(spans, stopping, sending));
            // Nobody listens when the patience of a stop was over before.
            if ended.send(()).is_err() {}
        };
        thread::Builder::new().name("traces".to_owned()).spawn(work).map_err(|error| error.to_string())?;
        let queue = Queue { spans: sender, dropped, told: AtomicBool::new(false) };
        Ok((Exporter { end: Mutex::new(Some((stop, end))) }, queue))
    }

    /// Has it send what is left.
    pub(super) async fn flush(&self, patience: Duration) {
        let end = self.end.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((stop, end)) = end else { return };
        if stop.send(()).is_err() || tokio::time::timeout(patience, end).await.is_err() {
            tracing::warn!("the last traces were not sent: the collector did not take them in time");
        }
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if self.spans.try_send(span).is_err() {
            self.dropped.inc();
            if !self.told.swap(true, Ordering::Relaxed) {
                let hint = "mainstay_trace_spans_total counts them; lower telemetry.sampleRatio";
                tracing::warn!(hint, "spans come faster than the collector takes them, and are dropped");
            }
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

async fn send(mut spans: mpsc::Receiver<SpanData>, mut stopping: oneshot::Receiver<()>, mut sending: Sending) {
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        let stopped = tokio::select! {
            _ = &mut stopping => true,
            () = gather(&mut spans, &mut batch) => false,
        };
        if stopped {
            while let Ok(span) = spans.try_recv() {
                batch.push(span);
            }
        }
        while !batch.is_empty() {
            let rest = batch.split_off(batch.len().min(BATCH));
            sending.call(std::mem::replace(&mut batch, rest)).await;
        }
        if stopped {
            return;
        }
    }
}

/// Waits for a span, and then for more of them until the call is full or has waited.
async fn gather(spans: &mut mpsc::Receiver<SpanData>, batch: &mut Vec<SpanData>) {
    if spans.recv_many(batch, BATCH).await == 0 {
        // The senders are gone: what is left to wait for is the end.
        return std::future::pending().await;
    }
    let fill = async { while batch.len() < BATCH && spans.recv_many(batch, BATCH - batch.len()).await > 0 {} };
    // Either way what has come is sent.
    if tokio::time::timeout(PAUSE, fill).await.is_err() {}
}

/// Calls of the collector; tells once when it goes away, and once when it is back.
struct Sending {
    exporter: SpanExporter,
    exported: IntCounter,
    failed: IntCounter,
    away: bool,
}

impl Sending {
    async fn call(&mut self, batch: Vec<SpanData>) {
        let count = batch.len() as u64;
        match self.exporter.export(batch).await {
            Ok(()) => {
                self.exported.inc_by(count);
                if std::mem::take(&mut self.away) {
                    tracing::info!("the collector takes traces again");
                }
            }
            Err(error) => {
                self.failed.inc_by(count);
                if !std::mem::replace(&mut self.away, true) {
                    tracing::warn!(cause = error.to_string(), "traces cannot be sent; requests go on without");
                }
            }
        }
    }
}
