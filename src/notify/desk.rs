//! The desk: hears every event, makes letters of them, and has one worker for each target that sends them.
//!
//! Not here: what a letter says (`digest`), the call (`send`).
//! Invariant: hearing an event waits for nothing; a queue is bounded, and a full one loses its oldest letter
//! and says so.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::batch::{AccountName, RunId};
use crate::clock::Clock;
use crate::notify::digest::{self, Digest, Gathering, News};
use crate::notify::outgoing::{self, Letter};
use crate::notify::send::{Answer, Sender, Trial};
use crate::notify::{Kind, Target};
use crate::observe::event::{Event, Observer, Scope};
use crate::observe::service::ServiceEvent;

/// Letters that wait for one target.
const MOST_WAITING: usize = 64;

/// How often one letter is tried, and for how long.
const MOST_TRIES: u32 = 4;
const MOST_TIME: Duration = Duration::from_mins(2);

/// The first wait is up to this; each later one up to twice the one before.
const FIRST_WAIT: Duration = Duration::from_secs(2);

/// A warning of one kind about one account is told once in this time.
const QUIET: Duration = Duration::from_hours(1);

/// Pings of one check in a minute (conventions of healthchecks.io).
const MOST_PINGS: usize = 5;
const PING_WINDOW: Duration = Duration::from_mins(1);

/// Targets as they come from the configuration: usable, or named with what is wrong.
#[derive(Debug, Default)]
pub struct Opened {
    /// Those that can be told.
    pub targets: Vec<Target>,
    /// Names of those that cannot, and why.
    pub broken: Vec<(String, String)>,
    /// The product of each account.
    pub products: BTreeMap<AccountName, &'static str>,
}

/// Who notifies. Also one of the observers.
#[derive(Debug)]
pub struct Desk {
    clock: Arc<dyn Clock>,
    told: Arc<dyn Observer>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    boxes: Vec<Arc<Outbox>>,
    workers: JoinSet<()>,
    products: BTreeMap<AccountName, &'static str>,
    gathering: Gathering,
    warned: BTreeMap<(&'static str, Option<AccountName>), Instant>,
    random: fastrand::Rng,
}

/// What waits for one target.
#[derive(Debug)]
struct Outbox {
    target: Target,
    queue: Mutex<Queue>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Letter>,
    /// Nothing more comes: the worker ends when the queue is empty.
    is_closed: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic in the middle leaves a queue or a map that is whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Desk {
    /// Opens the desk: a worker for each target begins. Must be called within a runtime. `told` hears what
    /// became of messages.
    pub fn open(opened: Opened, clock: Arc<dyn Clock>, told: Arc<dyn Observer>, seed: u64) -> Self {
        let inner = Inner {
            boxes: Vec::new(),
            workers: JoinSet::new(),
            products: BTreeMap::new(),
            gathering: Gathering::default(),
            warned: BTreeMap::new(),
            random: fastrand::Rng::with_seed(seed),
        };
        let desk = Self { clock, told, inner: Mutex::new(inner) };
        desk.adopt(opened);
        desk
    }

    /// Takes other targets from now on. What waits for the old ones is still sent.
    pub fn adopt(&self, opened: Opened) {
        let mut inner = lock(&self.inner);
        for old in inner.boxes.drain(..) {
            old.close();
        }
        inner.products = opened.products;
        let mut broken = opened.broken;
        for target in opened.targets {
            match Sender::new(&target) {
                Ok(sender) => self.begin(&mut inner, target, sender),
                Err(why) => broken.push((target.name, why)),
            }
        }
        drop(inner);
        for (notify, error) in broken {
            let host = String::new();
            self.told.service(&ServiceEvent::NotifyFailed { notify, host, attempts: 0, error });
        }
    }

    fn begin(&self, inner: &mut Inner, target: Target, sender: Sender) {
        let (queue, wake) = (Mutex::default(), Notify::new());
        let outbox = Arc::new(Outbox { target, queue, wake });
        inner.boxes.push(Arc::clone(&outbox));
        let worker = Worker {
            outbox,
            sender,
            clock: Arc::clone(&self.clock),
            told: Arc::clone(&self.told),
            random: fastrand::Rng::with_seed(inner.random.u64(..)),
            pings: VecDeque::new(),
        };
        inner.workers.spawn(worker.work());
    }

    /// Waits until everything is sent or given up, for so long at most. Nothing is taken any more.
    pub async fn close(&self, most: Duration) {
        let (boxes, mut workers) = {
            let mut inner = lock(&self.inner);
            (std::mem::take(&mut inner.boxes), std::mem::take(&mut inner.workers))
        };
        for outbox in &boxes {
            outbox.close();
        }
        let all = async { while workers.join_next().await.is_some() {} };
        if timeout(most, all).await.is_ok() {
            return;
        }
        workers.abort_all();
        for outbox in boxes {
            // The one that was being sent is no longer in the queue.
            let error = format!("not sent within {} s, and the program ends", most.as_secs());
            if Arc::strong_count(&outbox) > 1 || !lock(&outbox.queue).waiting.is_empty() {
                self.told.service(&outbox.failed(0, error));
            }
        }
    }

    fn post(&self, inner: &mut Inner, digest: &Digest) {
        let now = self.clock.now();
        let random = inner.random.u128(..).to_be_bytes();
        let random: [u8; 10] = std::array::from_fn(|n| random.get(n).copied().unwrap_or(0));
        let letter = Letter {
            id: format!("msg_{}", RunId::new(now, random)),
            at: now,
            digest: digest.clone(),
            product: digest.account.as_ref().and_then(|name| inner.products.get(name).copied()),
            is_sample: false,
        };
        let wanted = inner
            .boxes
            .iter()
            .filter(|outbox| outbox.target.wants(&digest.classes, digest.account.as_ref()));
        for outbox in wanted {
            if outbox.put(letter.clone()) {
                let error = "its queue was full, and the oldest message is lost".to_owned();
                self.told.service(&outbox.failed(0, error));
            }
        }
    }

    /// Whether a warning was told of lately; else it is noted.
    fn is_repeated(&self, inner: &mut Inner, digest: &Digest) -> bool {
        let News::Notice { event, .. } = &digest.news else { return false };
        let now = self.clock.monotonic();
        inner.warned.retain(|_, at| now.duration_since(*at) < QUIET);
        let key = (*event, digest.account.clone());
        if inner.warned.contains_key(&key) {
            return true;
        }
        inner.warned.insert(key, now);
        false
    }
}

impl Observer for Desk {
    fn observe(&self, scope: &Scope, event: &Event) {
        let mut inner = lock(&self.inner);
        if let Some(digest) = inner.gathering.take(scope, event) {
            self.post(&mut inner, &digest);
        }
    }

    fn service(&self, event: &ServiceEvent) {
        let Some(digest) = digest::of_service(event) else { return };
        let mut inner = lock(&self.inner);
        if !self.is_repeated(&mut inner, &digest) {
            self.post(&mut inner, &digest);
        }
    }
}

impl Outbox {
    /// Whether the oldest letter was lost for it.
    fn put(&self, letter: Letter) -> bool {
        let mut queue = lock(&self.queue);
        let is_full = queue.waiting.len() >= MOST_WAITING;
        if is_full {
            queue.waiting.pop_front();
        }
        queue.waiting.push_back(letter);
        drop(queue);
        self.wake.notify_one();
        is_full
    }

    fn close(&self) {
        lock(&self.queue).is_closed = true;
        self.wake.notify_one();
    }

    /// The next letter; `None` when none will come.
    async fn next(&self) -> Option<Letter> {
        loop {
            let (next, is_closed) = self.look();
            if next.is_some() || is_closed {
                return next;
            }
            self.wake.notified().await;
        }
    }

    /// What comes next now, and whether more may come.
    fn look(&self) -> (Option<Letter>, bool) {
        let mut queue = lock(&self.queue);
        (queue.waiting.pop_front(), queue.is_closed)
    }

    fn failed(&self, attempts: u32, error: String) -> ServiceEvent {
        let (notify, host) = (self.target.name.clone(), self.target.address.host());
        ServiceEvent::NotifyFailed { notify, host, attempts, error }
    }
}

/// Sends what waits for one target, one letter after the other.
struct Worker {
    outbox: Arc<Outbox>,
    sender: Sender,
    clock: Arc<dyn Clock>,
    told: Arc<dyn Observer>,
    random: fastrand::Rng,
    /// When the last pings went.
    pings: VecDeque<Instant>,
}

impl Worker {
    async fn work(mut self) {
        while let Some(letter) = self.outbox.next().await {
            let event = self.deliver(&letter).await;
            self.told.service(&event);
        }
    }

    /// Tries a letter until it is taken, refused or too old.
    async fn deliver(&mut self, letter: &Letter) -> ServiceEvent {
        let began = self.clock.monotonic();
        let mut attempts = 0;
        loop {
            self.pace().await;
            attempts += 1;
            let now = self.clock.now();
            let outgoing = outgoing::of(letter, &self.outbox.target, now);
            let (why, after) = match self.sender.send(&outgoing, now).await {
                Answer::Taken(_) => return self.sent(attempts),
                Answer::Refused { why } => return self.outbox.failed(attempts, why),
                Answer::Later { why, after } => (why, after),
            };
            let wait = after.unwrap_or_else(|| full_jitter(attempts, &mut self.random));
            let spent = self.clock.monotonic().duration_since(began) + wait;
            if attempts >= MOST_TRIES || spent > MOST_TIME {
                return self.outbox.failed(attempts, why);
            }
            sleep(wait).await;
        }
    }

    fn sent(&self, attempts: u32) -> ServiceEvent {
        let target = &self.outbox.target;
        let (notify, host) = (target.name.clone(), target.address.host());
        ServiceEvent::NotifySent { notify, host, attempts }
    }

    /// Waits until one more ping is welcome.
    async fn pace(&mut self) {
        if self.outbox.target.kind != Kind::Healthchecks {
            return;
        }
        if self.pings.len() >= MOST_PINGS
            && let Some(first) = self.pings.pop_front()
        {
            let since = self.clock.monotonic().duration_since(first);
            sleep(PING_WINDOW.saturating_sub(since)).await;
        }
        self.pings.push_back(self.clock.monotonic());
    }
}

/// Any time up to a bound that doubles with each try.
fn full_jitter(attempts: u32, random: &mut fastrand::Rng) -> Duration {
    let bound = FIRST_WAIT.saturating_mul(1 << attempts.saturating_sub(1).min(5));
    bound.mul_f64(random.f64())
}

/// Sends a target one sample, once.
///
/// # Errors
/// When no client can be built for it.
pub async fn try_once(
    target: &Target,
    digest: Digest,
    clock: &dyn Clock,
    random: [u8; 10],
) -> Result<Trial, String> {
    let sender = Sender::new(target)?;
    let now = clock.now();
    let id = format!("msg_{}", RunId::new(now, random));
    let letter = Letter { id, at: now, digest, product: None, is_sample: true };
    let outgoing = outgoing::of(&letter, target, now);
    Ok(match sender.send(&outgoing, now).await {
        Answer::Taken(status) => Trial::Taken { host: target.address.host(), status },
        Answer::Later { why, .. } => Trial::Unreachable(why),
        Answer::Refused { why } => Trial::Refused(why),
    })
}
