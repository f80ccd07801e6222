//! A client of environments in Rust's standard library alone, over frames (CONTRACT.md, B-15).
//!
//!     rustc -O --edition 2021 client.rs
//!     RLMESH_TOKEN=s3cret ./client frames://127.0.0.1:5555 [EPISODES [SEED]]
//!
//! Actions are integers, each the next number of a linear congruential generator that begins at
//! SEED. For each episode the client prints the steps, the total reward, and a checksum (FNV-1a) of
//! the bytes of all observations. A lost connection is resumed, so that each step is applied once.

use std::io::{Error, ErrorKind, Read, Result as Io, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

const SPEC_VERSION: &str = "1.0.0rc3";
const SERVICE: &[u8] = b"rlmesh.proto.env.v1.EnvService";
// Numbers of the members of SessionRequest and of SessionResponse.
const OPEN: (u32, u32) = (3, 4);
const RESET: (u32, u32) = (4, 5);
const STEP: (u32, u32) = (5, 6);
const CLOSE: (u32, u32) = (11, 12);
const ERROR: u32 = 3;

type Outcome<T> = Result<T, String>;

// Protobuf: what the messages of a session need.
fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 127 {
        out.push(value as u8 | 128);
        value >>= 7;
    }
    out.push(value as u8);
}

fn number(field: u32, value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, u64::from(field) << 3);
    put_varint(&mut out, value);
    out
}

fn put_bytes(out: &mut Vec<u8>, field: u32, data: &[u8]) {
    put_varint(out, u64::from(field) << 3 | 2);
    put_varint(out, data.len() as u64);
    out.extend_from_slice(data);
}

fn message(fields: &[(u32, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    fields.iter().for_each(|(field, data)| put_bytes(&mut out, *field, data));
    out
}

fn take<'a>(data: &mut &'a [u8], size: u64) -> Outcome<&'a [u8]> {
    let head = data.get(..size as usize).ok_or("a message is cut off")?;
    *data = &data[head.len()..];
    Ok(head)
}

fn take_varint(data: &mut &[u8]) -> Outcome<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(data, 1)?[0];
        value |= u64::from(byte & 127) << shift;
        if byte < 128 {
            return Ok(value);
        }
    }
    Err("a number is too long".into())
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte))
}

struct Field<'a> {
    number: u32,
    value: u64, // Of a varint, or the bits of a fixed one.
    bytes: Option<&'a [u8]>,
}

/// The fields of a message in order. Unknown ones are among them, and are ignored (G-3).
struct Message<'a>(Vec<Field<'a>>);

impl<'a> Message<'a> {
    fn read(mut data: &'a [u8]) -> Outcome<Self> {
        let mut fields = Vec::new();
        while !data.is_empty() {
            let tag = take_varint(&mut data)?;
            let mut field = Field { number: (tag >> 3) as u32, value: 0, bytes: None };
            match tag & 7 {
                0 => field.value = take_varint(&mut data)?,
                1 => field.value = little_endian(take(&mut data, 8)?),
                5 => field.value = little_endian(take(&mut data, 4)?),
                2 => {
                    field.bytes =
                        take_varint(&mut data).and_then(|n| take(&mut data, n)).map(Some)?
                }
                other => return Err(format!("a field has wire type {other}")),
            }
            fields.push(field);
        }
        Ok(Self(fields))
    }

    fn all(&self, number: u32) -> impl Iterator<Item = &Field<'a>> {
        self.0.iter().filter(move |field| field.number == number)
    }

    fn number(&self, number: u32) -> u64 {
        self.all(number).last().map_or(0, |field| field.value)
    }

    /// All numbers of a repeated field, packed or not.
    fn numbers(&self, number: u32) -> Outcome<Vec<u64>> {
        let mut found = Vec::new();
        for field in self.all(number) {
            let mut packed = field.bytes.unwrap_or_default();
            found.extend(field.bytes.is_none().then_some(field.value));
            while !packed.is_empty() {
                found.push(take_varint(&mut packed)?);
            }
        }
        Ok(found)
    }

    fn all_bytes(&self, number: u32) -> Vec<&'a [u8]> {
        self.all(number).filter_map(|field| field.bytes).collect()
    }

    fn bytes(&self, number: u32) -> &'a [u8] {
        self.all_bytes(number).last().copied().unwrap_or_default()
    }

    /// A message within this one. Its occurrences are parts of one message, by protobuf's rules.
    fn part(&self, number: u32) -> Option<Vec<u8>> {
        let parts = self.all_bytes(number);
        (!parts.is_empty()).then(|| parts.concat())
    }
}

// Spaces and values (sections 11 and 12): those whose leaves have one slab of a fixed size.
struct Leaf {
    itemsize: usize,
    elements: usize,
    ranges: Vec<(u64, u64)>, // First value and number of values of each integer; empty for a Box.
}

/// Bytes of an element of each dtype.
const ITEMSIZES: [usize; 14] = [0, 1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 2, 4, 8];

/// Adds the leaves of a space in the order of their slabs (V-2).
fn add_leaves(space: &[u8], depth: u32, out: &mut Vec<Leaf>) -> Outcome<()> {
    let (kind, content) = match Message::read(space)?.0.pop() {
        Some(Field { number, bytes: Some(content), .. }) if depth <= 24 => {
            (number, Message::read(content)?)
        }
        _ => return Err("a space has no kind, or is too deep (S-1, S-2)".into()),
    };
    match kind {
        1 | 2 | 4 => {}
        6 | 7 => {
            for part in content.all_bytes(1) {
                let value = if kind == 7 { part } else { Message::read(part)?.bytes(3) };
                add_leaves(value, depth + 1, out)?;
            }
            return Ok(());
        }
        other => return Err(format!("this example knows no space of kind {other}")),
    }
    let itemsize = ITEMSIZES.get(content.number(1) as usize).filter(|size| **size > 0);
    let itemsize = *itemsize.ok_or("a space has no dtype, or an unknown one (S-3)")?;
    let shape = if kind == 2 { vec![] } else { content.numbers(2)? };
    let product = shape.iter().try_fold(1u64, |all, extent| all.checked_mul(*extent));
    let elements = product.filter(|n| *n < 1 << 28).ok_or("a space is too large (M-1)")? as usize;
    let mut ranges = vec![];
    if kind != 1 {
        let (discrete, nvec) = (content.number(2), content.bytes(3).chunks(itemsize));
        let counts = if kind == 2 { vec![discrete] } else { nvec.map(little_endian).collect() };
        let starts = content.bytes(if kind == 2 { 3 } else { 4 });
        // Starts are absent if all are 0.
        let firsts = starts.chunks(itemsize).map(little_endian).chain(std::iter::repeat(0));
        ranges = firsts.zip(counts).filter(|(_, count)| *count > 0).collect();
        if ranges.len() != elements || ![0, elements * itemsize].contains(&starts.len()) {
            return Err("a space has no value (S-7, S-9)".into());
        }
    }
    out.push(Leaf { itemsize, elements, ranges });
    Ok(())
}

/// Checks an observation against its space (V-14), and returns its slabs, one after another.
fn checked(value: &[u8], space: &[Leaf]) -> Outcome<Vec<u8>> {
    let value = Message::read(value)?;
    let slabs = value.all_bytes(1);
    let sizes = space.iter().map(|leaf| leaf.elements * leaf.itemsize);
    if !slabs.iter().map(|slab| slab.len()).eq(sizes) {
        return Err("the observation has slabs of another number or size (V-4)".into());
    }
    for (slab, leaf) in slabs.iter().zip(space) {
        for (item, (start, count)) in slab.chunks(leaf.itemsize).zip(&leaf.ranges) {
            // Modulo the size of the dtype, in which an integer below the start is far above it.
            let above = little_endian(item).wrapping_sub(*start) << (64 - 8 * leaf.itemsize);
            if above >> (64 - 8 * leaf.itemsize) >= *count {
                return Err("the observation is out of its range (V-8)".into());
            }
        }
    }
    Ok(slabs.concat())
}

fn sample(space: &[Leaf], state: &mut u64) -> Vec<u8> {
    let mut value = Vec::new();
    for leaf in space {
        let mut slab = Vec::new();
        for (start, count) in &leaf.ranges {
            *state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let item = start.wrapping_add((*state >> 33) % count);
            slab.extend_from_slice(&item.to_le_bytes()[..leaf.itemsize]);
        }
        put_bytes(&mut value, 1, &slab);
    }
    value
}

// A session (sections 4 to 7).
fn send(socket: &mut TcpStream, frame: &[u8]) -> Io<()> {
    socket.write_all(&[&(frame.len() as u32).to_le_bytes(), frame].concat())
}

fn receive(socket: &mut TcpStream) -> Io<Vec<u8>> {
    loop {
        let mut size = [0; 4];
        socket.read_exact(&mut size)?;
        let size = u32::from_le_bytes(size) as usize;
        if size > 256 << 20 {
            return Err(Error::new(ErrorKind::InvalidData, "a frame is too long (M-1)"));
        }
        let mut frame = vec![0; size];
        socket.read_exact(&mut frame)?;
        if size > 0 {
            return Ok(frame); // An empty one is a pulse (B-13).
        }
    }
}

/// Sends FramesHello (B-16) and `open` on a new connection, and receives the answer.
fn connect(address: &str, resume: &[(u32, &[u8])]) -> Io<(TcpStream, Vec<u8>)> {
    let mut socket = TcpStream::connect(address.trim_start_matches("frames://"))?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(Duration::from_secs(20)))?; // A busy server sends pulses (B-13).
    let token = std::env::var("RLMESH_TOKEN").unwrap_or_default();
    send(&mut socket, &message(&[(1, SERVICE), (2, token.as_bytes())]))?;
    let client = message(&[(1, SPEC_VERSION.as_bytes()), (4, &[1])]); // RESUME
    let open = message(&[&[(1, &client[..])], resume].concat());
    send(&mut socket, &message(&[(OPEN.0, &open)]))?;
    receive(&mut socket).map(|answer| (socket, answer))
}

/// Returns a member of an answer; an error of the server as text.
fn member(answer: &[u8], number: u32) -> Outcome<Vec<u8>> {
    let answer = Message::read(answer)?;
    if let Some(error) = answer.part(ERROR) {
        let error = Message::read(&error)?;
        let text = String::from_utf8_lossy(error.bytes(2));
        return Err(format!("error {}: {text}", error.number(1)));
    }
    answer.part(number).ok_or("the answer is one to another request (N-1)".into())
}

struct Session {
    address: String,
    socket: TcpStream,
    id: Vec<u8>,
    key: Vec<u8>,
    grace: Duration,
    limit: u64,
    sequence: u64,
    spaces: [Vec<Leaf>; 2], // Of observations and of actions.
}

impl Session {
    fn open(address: &str) -> Outcome<Self> {
        let (socket, answer) = connect(address, &[]).map_err(|e| format!("{address}: {e}"))?;
        let opened = member(&answer, OPEN.1)?;
        let opened = Message::read(&opened)?;
        let header = opened.part(1).unwrap_or_default();
        let header = Message::read(&header)?;
        let terms = header.part(4).unwrap_or_default();
        let terms = Message::read(&terms)?;
        let mut session = Self {
            address: address.into(),
            socket,
            id: header.bytes(2).into(),
            key: header.bytes(3).into(),
            grace: Duration::from_millis(terms.number(1)),
            limit: terms.number(2),
            sequence: 0,
            spaces: [vec![], vec![]],
        };
        let agreed = session.agree(&opened, &header);
        agreed.or_else(|reason| session.close().and(Err(reason))).map(|()| session)
    }

    /// Checks the version (H-5) and the contract (H-11).
    fn agree(&mut self, opened: &Message, header: &Message) -> Outcome<()> {
        let server = header.part(1).unwrap_or_default();
        let version = String::from_utf8_lossy(Message::read(&server)?.bytes(1)).into_owned();
        let finals = !format!("{version}{SPEC_VERSION}").contains("rc");
        let major = version.split('.').next() == SPEC_VERSION.split('.').next();
        if version != SPEC_VERSION && !(finals && major) {
            return Err(format!("this client speaks {SPEC_VERSION}, the server {version} (E-2)"));
        }
        let contract = opened.part(2).ok_or("there is no contract (H-6)")?;
        let contract = Message::read(&contract)?;
        let space = |field| contract.part(field).ok_or("the contract has no space (T-3)");
        add_leaves(&space(3)?, 1, &mut self.spaces[0])?;
        add_leaves(&space(4)?, 1, &mut self.spaces[1])?;
        let discrete = self.spaces[1].iter().all(|leaf| leaf.ranges.len() == leaf.elements);
        let played = discrete && contract.number(6) == 0;
        played.then_some(()).ok_or("this example plays no vectors, and no Box of actions".into())
    }

    /// Sends a request and returns its answer, over as many connections as that takes.
    fn request(&mut self, numbers: (u32, u32), content: &[u8]) -> Outcome<Vec<u8>> {
        let frame = [number(1, self.sequence + 1), message(&[(numbers.0, content)])].concat();
        if self.limit > 0 && frame.len() as u64 > self.limit {
            return Err(format!("a request is larger than {} bytes (M-3)", self.limit));
        }
        self.sequence += 1;
        loop {
            match send(&mut self.socket, &frame).and_then(|()| receive(&mut self.socket)) {
                Err(lost) => self.resume(&lost)?,
                Ok(answer) if Message::read(&answer)?.number(1) == self.sequence => {
                    return member(&answer, numbers.1);
                }
                Ok(answer) => return member(&answer, ERROR), // Of the connection, or a fault.
            }
        }
    }

    /// Resumes the session on a new connection within the grace period.
    fn resume(&mut self, lost: &Error) -> Outcome<()> {
        let (begun, mut pause) = (Instant::now(), Duration::from_millis(50));
        let resume = [message(&[(1, &self.id), (2, &self.key)]), number(3, self.sequence)].concat();
        while !self.key.is_empty() && begun.elapsed() < self.grace {
            let answer = connect(&self.address, &[(2, &resume)]).map_err(|e| e.to_string());
            match answer.and_then(|(socket, answer)| Ok((socket, member(&answer, OPEN.1)?))) {
                Ok((socket, opened)) => {
                    let header = Message::read(&opened)?.part(1).unwrap_or_default();
                    (self.socket, self.key) = (socket, Message::read(&header)?.bytes(3).into());
                    return Ok(());
                }
                Err(reason) if reason.starts_with("error 12:") => return Err(reason),
                Err(_) => std::thread::sleep(pause),
            }
            pause = (pause * 2).min(Duration::from_secs(2));
        }
        Err(format!("the connection is lost: {lost}"))
    }

    fn close(&mut self) -> Outcome<()> {
        self.request(CLOSE, &[]).map(|_| self.socket.shutdown(Shutdown::Write).unwrap_or(()))
    }

    /// Plays an episode, and returns its steps, its total reward and the checksum.
    fn play(&mut self, seed: u64, state: &mut u64) -> Outcome<(u64, f64, u64)> {
        let (mut steps, mut total, mut checksum) = (0, 0.0, 0xcbf29ce484222325u64);
        let mut answer = self.request(RESET, &number(1, seed))?;
        loop {
            let outcome = Message::read(&answer)?;
            let observation = outcome.part(1).ok_or("there is no observation (G-8)")?;
            for byte in checked(&observation, &self.spaces[0])? {
                checksum = (checksum ^ u64::from(byte)).wrapping_mul(0x100000001b3);
            }
            if steps > 0 {
                total += f64::from_bits(outcome.number(2));
                if outcome.number(3) + outcome.number(4) > 0 {
                    return Ok((steps, total, checksum));
                }
            }
            steps += 1;
            answer = self.request(STEP, &message(&[(1, &sample(&self.spaces[1], state))]))?;
        }
    }
}

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().ok_or("usage: client frames://HOST:PORT [EPISODES [SEED]]")?;
    let mut number =
        |default| arguments.next().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (episodes, first): (u64, u64) = (number(1), number(0));
    let (mut session, mut state) = (Session::open(&address)?, first);
    let outcome = (first..first + episodes).try_for_each(|seed| {
        let (steps, total, checksum) = session.play(seed, &mut state)?;
        println!("seed {seed}: {steps} steps, reward {total}, checksum {checksum:016x}");
        Ok(())
    });
    outcome.and(session.close())
}
