//! Traces of requests, by OpenTelemetry: one span for the request, and one for each part of it that may take long.
//!
//! Made once by the command line where an endpoint is set. The context of a request that is kept travels with it, from
//! [`Request::context`] over its future to [`carry`] on a blocking thread, so that [`part`] needs no argument; of one that is
//! not kept nothing is made but its ids. Spans hold texts of statements, never values, and no path and no query of a URL.

use std::borrow::Cow;
use std::time::Duration;

use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt, Tracer as _, TracerProvider,
};
use opentelemetry::{Context, ContextGuard, InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider, Span};
use prometheus::IntCounterVec;

mod export;
pub mod parent;
#[cfg(test)]
mod tests;

use export::Exporter;

/// Where spans are made.
pub struct Tracing {
    tracer: SdkTracer,
    exporter: Exporter,
}

/// Where traces go, and which.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    /// The base URL of a collector that takes OTLP over HTTP.
    pub endpoint: &'a str,
    /// The part of the requests that is kept, where the caller has not decided.
    pub ratio: f64,
    /// This server's name among those of its database.
    pub instance: &'a str,
    /// Figures of spans, by `result`.
    pub figures: IntCounterVec,
}

impl Tracing {
    /// Begins to export. Errors: the endpoint is of no use, or there is no thread.
    pub fn start(target: Target<'_>) -> Result<Tracing, String> {
        let Target { endpoint, ratio, instance, figures } = target;
        // What the service is called may also come from OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES.
        let named = std::iter::once(KeyValue::new("service.instance.id", instance.to_owned()))
            .chain([KeyValue::new("service.version", env!("CARGO_PKG_VERSION"))]);
        let resource = Resource::builder().with_attributes(named);
        let resource = match Resource::builder().build().get(&"service.name".into()) {
            Some(name) if !name.as_str().starts_with("unknown_service") => resource,
            _ => resource.with_service_name("mainstay"),
        };
        let resource = resource.build();
        let (exporter, queue) = Exporter::start(endpoint, resource.clone(), figures)?;
        let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio)));
        let provider = SdkTracerProvider::builder()
            .with_span_processor(queue)
            .with_sampler(sampler)
            .with_resource(resource)
            .build();
        let scope = InstrumentationScope::builder("mainstay").with_version(env!("CARGO_PKG_VERSION")).build();
        Ok(Tracing { tracer: provider.tracer_with_scope(scope), exporter })
    }

    /// Sends what is left, as long as `patience` lasts. Nothing is sent afterwards.
    pub async fn flush(&self, patience: Duration) {
        self.exporter.flush(patience).await;
    }
}

/// The trace of one request: of ours, or of a caller whose own traces go elsewhere.
pub struct Request {
    /// Empty unless it is kept.
    context: Context,
    known: Option<SpanContext>,
}

impl Request {
    /// Begins with the request's head. Without `tracing` the caller's trace is only told on.
    pub fn begin(tracing: Option<&Tracing>, parent: Option<SpanContext>) -> Request {
        let Some(Tracing { tracer, .. }) = tracing else { return Request { context: Context::new(), known: parent } };
        let base = parent.map_or_else(Context::new, |parent| Context::new().with_remote_span_context(parent));
        let span = SpanBuilder::from_name("request").with_kind(SpanKind::Server);
        let span = tracer.build_with_context(span, &base);
        let known = Some(span.span_context().clone());
        let context = match span.is_recording() {
            true => Context::new().with_value(tracer.clone()).with_span(span),
            false => Context::new(),
        };
        Request { context, known }
    }

    /// What the request's work runs in.
    pub fn context(&self) -> Context {
        self.context.clone()
    }

    /// As [`Request::context`], until what is answered is dropped; none where it is not kept.
    pub fn enter(&self) -> Option<ContextGuard> {
        self.is_kept().then(|| self.context.clone().attach())
    }

    /// For log lines, and for whoever looks the trace up.
    pub fn id(&self) -> Option<String> {
        self.known.as_ref().map(|known| known.trace_id().to_string())
    }

    /// Whether it is exported.
    pub fn is_kept(&self) -> bool {
        self.context.get::<SdkTracer>().is_some()
    }

    /// `traceparent` of the answer.
    pub fn header(&self) -> Option<String> {
        self.known.as_ref().map(parent::write)
    }

    /// Ends it. `name` is bounded; what the server failed at is an error.
    pub fn end(&self, name: impl FnOnce() -> String, attributes: impl FnOnce() -> Vec<KeyValue>, failed: Option<u16>) {
        if !self.is_kept() {
            return;
        }
        let span = self.context.span();
        span.update_name(name());
        span.set_attributes(attributes());
        if let Some(status) = failed {
            span.set_attribute(KeyValue::new("error.type", status.to_string()));
            span.set_status(Status::error(""));
        }
        span.end();
    }
}

/// A part of a request that is kept, and nothing otherwise. Ends when it is dropped.
#[must_use = "it ends when it is dropped"]
pub struct Part(Option<Span>);

/// Begins a part.
pub fn part(name: &'static str) -> Part {
    begin(|| (name.into(), SpanKind::Internal, Vec::new()))
}

/// Begins a part that another program carries out.
pub fn call(described: impl FnOnce() -> (String, Vec<KeyValue>)) -> Part {
    begin(|| {
        let (name, attributes) = described();
        (name.into(), SpanKind::Client, attributes)
    })
}

fn begin(described: impl FnOnce() -> (Cow<'static, str>, SpanKind, Vec<KeyValue>)) -> Part {
    Part(Context::map_current(|context| {
        let tracer = context.get::<SdkTracer>()?;
        let (name, kind, attributes) = described();
        let span = SpanBuilder::from_name(name).with_kind(kind).with_attributes(attributes);
        Some(tracer.build_with_context(span, context))
    }))
}

impl Part {
    /// It has failed, by one word.
    pub fn fail(&mut self, kind: &'static str) {
        if let Part(Some(span)) = self {
            span.set_attribute(KeyValue::new("error.type", kind));
            span.set_status(Status::error(""));
        }
    }
}

/// The context of a request on its way to another thread.
pub struct Carried(Option<Context>);

/// Takes it along.
pub fn carry() -> Carried {
    Carried(Context::map_current(|context| context.get::<SdkTracer>().map(|_| context.clone())))
}

impl Carried {
    /// From now on, until what is answered is dropped, parts belong to it.
    pub fn enter(self) -> Option<ContextGuard> {
        self.0.map(Context::attach)
    }
}
