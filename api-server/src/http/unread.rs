//! Bodies without end: an answer that is given before the whole body was read also ends the connection.
//!
//! Called by [`super::middleware::observe`]. The HTTP library reads on and throws away when a handler drops a chunked body,
//! however long it is; while someone holds the body, it closes instead. So the answer holds it until it is written.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::HttpMessage;
use actix_web::body::{BodySize, BoxBody, EitherBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::TRANSFER_ENCODING;
use actix_web::web::Bytes;
use futures_util::Stream;
use futures_util::stream::poll_fn;

use super::connections::Answering;

/// A chunked body that a handler reads, and that its answer holds.
pub struct Held {
    _body: Rc<RefCell<Payload>>,
    read: Rc<Cell<u64>>,
}

impl Held {
    /// Bytes that have been read of it so far.
    pub fn counter(&self) -> Rc<Cell<u64>> {
        Rc::clone(&self.read)
    }
}

/// Takes hold of the body if its length is not known.
pub fn hold(request: &mut ServiceRequest) -> Option<Held> {
    if !request.headers().contains_key(TRANSFER_ENCODING) {
        return None;
    }
    let body = Rc::new(RefCell::new(request.take_payload()));
    let read = Rc::new(Cell::new(0));
    let (inner, count) = (Rc::clone(&body), Rc::clone(&read));
    let stream = poll_fn(move |context| {
        let next = Pin::new(&mut *inner.borrow_mut()).poll_next(context);
        if let Poll::Ready(Some(Ok(bytes))) = &next {
            count.set(count.get() + bytes.len() as u64);
        }
        next
    });
    request.set_payload(Payload::Stream { payload: Box::pin(stream) });
    Some(Held { _body: body, read })
}

/// Lets the answer hold the body, and a stream also the note that it is still written.
pub fn answer<B: MessageBody + 'static>(
    response: ServiceResponse<EitherBody<B>>,
    held: Option<Held>,
    mut answering: Option<Answering>,
) -> ServiceResponse<EitherBody<B>> {
    let size = response.response().body().size();
    if let (Some(answering), BodySize::Sized(bytes)) = (&mut answering, size) {
        answering.bytes = bytes;
    }
    let answering = answering.filter(|_| size == BodySize::Stream);
    if held.is_none() && answering.is_none() {
        return response;
    }
    response.map_body(|_, body| {
        EitherBody::right(BoxBody::new(Holding { body: BoxBody::new(body), _held: held, _answering: answering }))
    })
}

/// The body of an answer with what lasts until it is written.
struct Holding {
    body: BoxBody,
    _held: Option<Held>,
    _answering: Option<Answering>,
}

impl MessageBody for Holding {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}
