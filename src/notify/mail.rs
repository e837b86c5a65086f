//! E-mail, by a mail server. Only in builds with the feature `mail`.
//!
//! Not here: what it says (`words`), when it is tried again (`desk`).
//! Invariant: an error names the host and a code of the server, and nothing of its words, which may repeat
//! what it was told.

use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use super::outgoing::Outgoing;
use super::send::{Answer, MAX_CONNECT};
use super::{Envelope, Target};

/// Speaks to one mail server.
#[derive(Debug)]
pub(super) struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
}

/// What a mail server says where it took a message.
const TAKEN: u16 = 250;

impl Mailer {
    /// Prepares it; makes no connection.
    pub(super) fn new(target: &Target) -> Result<Self, String> {
        let envelope = target.envelope.as_ref().ok_or("it does not say from whom to whom")?;
        let (from, to) = mailboxes(envelope)?;
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(target.address.0.as_str())
            .map_err(|_holds_it| "the URL of the mail server cannot be used".to_owned())?
            .timeout(Some(MAX_CONNECT))
            .build();
        Ok(Self { transport, from, to })
    }

    /// Sends one message.
    pub(super) async fn send(&self, host: &str, outgoing: &Outgoing) -> Answer {
        let subject = outgoing.headers.iter().find(|(name, _)| *name == "subject");
        let subject = subject.map_or("", |(_, subject)| subject);
        let mut builder = Message::builder().from(self.from.clone()).subject(subject);
        for to in &self.to {
            builder = builder.to(to.clone());
        }
        let message = builder.header(ContentType::TEXT_PLAIN).body(outgoing.body.clone());
        let Ok(message) = message else {
            return Answer::Refused { why: "the message cannot be put together".to_owned() };
        };
        match self.transport.send(message).await {
            Ok(_said) => Answer::Taken(TAKEN),
            Err(error) => {
                let why = match error.status() {
                    Some(code) => format!("{host} said {code}"),
                    None if error.is_timeout() => format!("{host} gave no answer in time"),
                    None if error.is_tls() => format!("{host} and this machine agree on no TLS"),
                    None => format!("no mail could be handed to {host}"),
                };
                if error.is_permanent() {
                    Answer::Refused { why }
                } else {
                    Answer::Later { why, after: None }
                }
            }
        }
    }
}

/// Reads the mailboxes of an envelope.
///
/// # Errors
/// When one is no mailbox, in words that name it.
pub(super) fn mailboxes(envelope: &Envelope) -> Result<(Mailbox, Vec<Mailbox>), String> {
    let read = |text: &String| -> Result<Mailbox, String> {
        text.parse().map_err(|_unsaid| format!("`{}` is no mailbox", crate::batch::escaped(text)))
    };
    let to: Result<Vec<_>, _> = envelope.to.iter().map(read).collect();
    Ok((read(&envelope.from)?, to?))
}
