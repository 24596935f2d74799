//! The grammar of worlds, as proptest strategies, so that a failing world shrinks.

use proptest::collection::vec;
use proptest::option::{of, weighted};
use proptest::prelude::*;
use proptest::sample::select;

use super::{
    Advice, BodyReply, CallerClaims, Client, ClockJump, Content, Destination, DigestClaim, End, ExistingFile,
    Failure, IfExists, LengthClaim, Mismatch, Object, PartialBytes, RangeStyle, RedirectTo, Replacement,
    ScriptedReply, Served, Server, Shape, SizeClaim, Statement, Validator, World, WorldEvent,
};

/// Names of files. Some are prefixes of others.
const TARGETS: [&str; 4] = ["photo", "photo.jpg", "photo.jpg.pdf", "notes"];

/// Media types that are declared for any content.
const MIMES: [&str; 12] = [
    "image/jpeg",
    "image/jpeg",
    "image/webp",
    "audio/ogg; codecs=opus",
    "video/mp4",
    "application/pdf",
    "application/octet-stream",
    "application/json",
    "application/xml",
    "text/html",
    "text/plain",
    "text/csv",
];

/// Content for an object store that is larger than this has about the size of a part.
const LARGE: u32 = 500_000;
const PART_BYTES: u32 = 8 * 1024 * 1024;
/// The most chunks of one body. More take time and find nothing.
const MAX_CHUNKS: u32 = 20_000;

/// Any world.
pub fn world() -> impl Strategy<Value = World> {
    (vec(object(), 1..=3), more_objects(), server(), client(), existing(), event(), clock()).prop_map(
        |(mut objects, more, server, client, before, event, clock)| {
            objects.extend(more);
            bounded(World { objects, server, client, before, event, clock })
        },
    )
}

fn more_objects() -> impl Strategy<Value = Vec<Object>> {
    prop_oneof![8 => Just(Vec::new()), 1 => vec(object(), 0..=5)]
}

/// Keeps a world cheap: tiny chunks only for small content, and few large objects.
fn bounded(mut world: World) -> World {
    if world.client.destination == Destination::ObjectStore {
        for_object_store(&mut world);
    }
    let many = world.objects.len() > 3;
    for object in &mut world.objects {
        object.open.iter_mut().for_each(|reply| within(reply, object.content.size));
        if many {
            object.content.size = object.content.size.min(200_000);
        }
        let least = (object.content.size / MAX_CHUNKS).max(1);
        world.server.chunk = world.server.chunk.max(least);
        for reply in &mut object.open {
            if let ScriptedReply::Body(body) = reply {
                body.chunk = body.chunk.max(least);
            }
        }
    }
    world
}

/// A store in memory does not survive a crash, and has nothing that two threads could do between one another. Larger
/// content is sent in parts.
fn for_object_store(world: &mut World) {
    world.event = match world.event {
        WorldEvent::Kill(polls) => WorldEvent::Cancel(polls),
        WorldEvent::Crash(_) => WorldEvent::None,
        WorldEvent::Apart => WorldEvent::Twice,
        event => event,
    };
    if let [object] = world.objects.as_mut_slice()
        && object.content.size > LARGE
    {
        object.content.size = PART_BYTES - 1 + object.content.size % 3;
    }
}

/// Moves most offsets into the content, so that the fault happens.
fn within(reply: &mut ScriptedReply, size: u32) {
    let ScriptedReply::Body(body) = reply else { return };
    let place = |place: u32| if place.is_multiple_of(8) { place } else { place % size.max(1) };
    body.end = match body.end {
        End::Break(bytes) => End::Break(place(bytes)),
        End::Stall(bytes) => End::Stall(place(bytes)),
        End::Stop(bytes) => End::Stop(place(bytes)),
        End::Whole | End::Over(_) => body.end,
    };
    if let RangeStyle::Part(most) = body.range {
        body.range = RangeStyle::Part(place(most));
    }
}

fn size() -> impl Strategy<Value = u32> {
    let around = |middle: u32| (middle - 1)..=(middle + 1);
    prop_oneof![
        4 => 0u32..=200,
        2 => select(vec![0u32, 1, 15, 16, 17, 63, 64, 65]),
        3 => 200u32..=5_000,
        2 => around(4_096),
        2 => around(65_536),
        1 => around(131_072),
        1 => around(524_288),
        1 => around(1_048_576),
        1 => 100_000u32..=3_000_000,
    ]
}

fn shape() -> impl Strategy<Value = Shape> {
    prop_oneof![
        4 => Just(Shape::Random),
        2 => Just(Shape::Jpeg),
        1 => Just(Shape::Pdf),
        5 => select(Shape::ALL.to_vec()),
    ]
}

fn object() -> impl Strategy<Value = Object> {
    let content = (shape(), size()).prop_map(|(shape, size)| Content { shape, size });
    let replacement = weighted(0.12, (0u32..4, prop_oneof![3 => Just(0i32), 1 => -20i32..20]))
        .prop_map(|pair| pair.map(|(after, grow)| Replacement { after, grow }));
    let resolve = prop_oneof![9 => Just(Vec::new()), 1 => vec(of(failure()), 1..3)];
    let open = prop_oneof![
        2 => Just(Vec::new()),
        5 => vec(reply(), 1..=2),
        3 => vec(reply(), 2..=5),
        3 => resumed(),
    ];
    (content, replacement, claims(), any::<bool>(), select(TARGETS.to_vec()), resolve, open).prop_map(
        |(content, replacement, (webhook, reply, caller), signed, target, resolve, open)| Object {
            content,
            replacement,
            webhook: webhook.with_shape(content.shape),
            signed,
            reply: reply.with_shape(content.shape),
            caller,
            target: target.to_owned(),
            resolve,
            open,
        },
    )
}

/// A statement whose media type may still depend on the content.
#[derive(Clone, Debug)]
struct Draft(Statement, bool);

impl Draft {
    fn with_shape(self, shape: Shape) -> Statement {
        let Self(mut statement, right) = self;
        if right && statement.mime.is_some() {
            statement.mime = Some(shape.mime().to_owned());
        }
        statement
    }
}

/// The statements of the webhook, the reply and the caller. Often there is no digest, since the rules without one are
/// harder.
fn claims() -> impl Strategy<Value = (Draft, Draft, CallerClaims)> {
    let caller = (size_claim(1), digest_claim(1)).prop_map(|(size, sha256)| CallerClaims { size, sha256 });
    let nothing = Just(CallerClaims::default());
    let caller = prop_oneof![5 => nothing, 2 => caller];
    (statement(3), statement(2), caller, prop::bool::weighted(0.3)).prop_map(
        |(mut webhook, mut reply, caller, silent)| {
            if webhook.0.kind.is_some() && webhook.0.mime.is_none() {
                webhook.0.kind = None;
            }
            if silent {
                // Neither size nor digest is declared.
                for said in [&mut webhook.0, &mut reply.0] {
                    (said.size, said.sha256) = (SizeClaim::Absent, DigestClaim::Absent);
                }
            }
            (webhook, reply, caller)
        },
    )
}

fn statement(weight: u32) -> impl Strategy<Value = Draft> {
    let kind = prop_oneof![3 => Just(None), 1 => Just(Some("document".to_owned()))];
    let mime = of(select(MIMES.to_vec())).prop_map(|mime| mime.map(ToOwned::to_owned));
    (mime, any::<bool>(), kind, size_claim(weight), digest_claim(weight), name()).prop_map(
        |(mime, right, kind, size, sha256, name)| Draft(Statement { mime, kind, size, sha256, name }, right),
    )
}

fn size_claim(weight: u32) -> impl Strategy<Value = SizeClaim> {
    prop_oneof![
        20 => Just(SizeClaim::Absent),
        10 * weight => Just(SizeClaim::Right),
        2 => prop_oneof![-70i32..70, -70_000i32..70_000].prop_map(SizeClaim::Off),
        1 => any::<u8>().prop_map(SizeClaim::Huge),
    ]
}

fn digest_claim(weight: u32) -> impl Strategy<Value = DigestClaim> {
    prop_oneof![
        20 => Just(DigestClaim::Absent),
        5 * weight => Just(DigestClaim::Right),
        1 => Just(DigestClaim::Wrong),
        1 => Just(DigestClaim::Unusable),
    ]
}

fn name() -> impl Strategy<Value = Option<String>> {
    let hostile = select(vec![
        "../../escape.jpg",
        "/etc/absolute",
        "..",
        "CON",
        "a\u{202e}gpj.exe",
        "a\nb.jpg",
        "C:\\x\\photo.jpg",
        ".wamedia",
        "-rf",
        "photo (2).jpg",
        "\u{0}",
    ]);
    prop_oneof![
        4 => Just(None),
        4 => Just(Some("photo.jpg".to_owned())),
        1 => Just(Some("photo".to_owned())),
        1 => Just(Some("invoice.pdf".to_owned())),
        1 => hostile.prop_map(|name| Some(name.to_owned())),
        1 => (1usize..500).prop_map(|length| Some(format!("{}.jpg", "n".repeat(length)))),
    ]
}

fn failure() -> impl Strategy<Value = Failure> {
    let advice = prop_oneof![
        1 => Just(Advice::Never),
        2 => Just(Advice::Backoff),
        1 => prop_oneof![0u64..5_000, 0u64..100_000].prop_map(Advice::After),
    ];
    let other = select(vec![
        ("transport", None),
        ("timeout", None),
        ("upstream", Some(503)),
        ("upstream", Some(500)),
        ("rate_limited", Some(429)),
        ("not_found", Some(404)),
        ("unauthorized", Some(401)),
        ("not_ready", None),
    ]);
    let expired = Just(Failure { kind: "expired".to_owned(), retry: Advice::Never, status: Some(404) });
    let other =
        (other, advice).prop_map(|((kind, status), retry)| Failure { kind: kind.to_owned(), retry, status });
    prop_oneof![1 => expired, 2 => other]
}

fn reply() -> impl Strategy<Value = ScriptedReply> {
    let to = prop_oneof![
        2 => Just(RedirectTo::Same),
        3 => Just(RedirectTo::Other),
        1 => Just(RedirectTo::Forbidden),
    ];
    prop_oneof![
        18 => body().prop_map(ScriptedReply::Body),
        4 => failure().prop_map(ScriptedReply::Fail),
        2 => to.prop_map(ScriptedReply::Redirect),
    ]
}

fn length_claim() -> impl Strategy<Value = LengthClaim> {
    prop_oneof![
        12 => Just(LengthClaim::Right),
        5 => Just(LengthClaim::Absent),
        1 => prop_oneof![-3i32..3, -70_000i32..70_000].prop_map(LengthClaim::Off),
        1 => any::<u8>().prop_map(LengthClaim::Huge),
    ]
}

fn offset() -> impl Strategy<Value = u32> {
    prop_oneof![
        3 => 0u32..200,
        1 => 0u32..10_000,
        1 => 60_000u32..70_000,
        2 => 0u32..2_000_000,
    ]
}

fn served() -> impl Strategy<Value = Served> {
    prop_oneof![
        20 => Just(Served::Current),
        1 => offset().prop_map(Served::Flipped),
        1 => (1u8..4).prop_map(Served::Other),
        2 => select(Shape::ALL[4..].to_vec()).prop_map(Served::Page),
    ]
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        6 => Just(End::Whole),
        8 => offset().prop_map(End::Break),
        1 => offset().prop_map(End::Stall),
        2 => offset().prop_map(End::Stop),
        1 => offset().prop_map(End::Over),
    ]
}

fn body() -> impl Strategy<Value = BodyReply> {
    let mime = weighted(0.15, select(MIMES.to_vec())).prop_map(|mime| mime.map(ToOwned::to_owned));
    let range = prop_oneof![
        10 => Just(RangeStyle::Honoured),
        1 => Just(RangeStyle::Ignored),
        1 => (-5i32..5).prop_map(RangeStyle::Shifted),
        3 => offset().prop_map(RangeStyle::Part),
        1 => Just(RangeStyle::Refused),
    ];
    let validator = prop_oneof![
        8 => Just(Validator::Strong),
        2 => Just(Validator::Absent),
        1 => Just(Validator::Changing),
        2 => Just(Validator::OnlyWhole),
    ];
    let chunk = prop_oneof![
        6 => Just(65_536u32),
        2 => select(vec![1u32, 2, 15, 16, 17, 63, 64, 65]),
        2 => 1u32..10_000,
        1 => select(vec![131_072u32, 524_288, 1_048_576]),
    ];
    let pause = prop_oneof![8 => Just(0u32), 1 => 0u32..20_000];
    let first = weighted(0.2, select(vec![1u32, 2, 3, 10, 20]));
    let lengths = (length_claim(), length_claim());
    (served(), mime, range, lengths, validator, (first, chunk), pause, end()).prop_map(
        |(served, mime, range, (length, total), validator, (first_chunk, chunk), pause_ms, end)| BodyReply {
            served,
            mime,
            range,
            length,
            total,
            validator,
            first_chunk,
            chunk,
            pause_ms,
            end,
        },
    )
}

/// A body that breaks, and a reply to the request for its rest: only the second is odd.
fn resumed() -> impl Strategy<Value = Vec<ScriptedReply>> {
    let validator = prop_oneof![
        5 => Just(Validator::Strong),
        1 => Just(Validator::Absent),
        1 => Just(Validator::Changing),
        1 => Just(Validator::OnlyWhole),
    ];
    let length = prop_oneof![3 => Just(LengthClaim::Right), 1 => Just(LengthClaim::Absent)];
    let broken = (offset().prop_map(End::Break), length, validator.clone())
        .prop_map(|(end, length, validator)| BodyReply { length, validator, end, ..BodyReply::default() });
    let range = prop_oneof![
        4 => Just(RangeStyle::Honoured),
        3 => offset().prop_map(RangeStyle::Part),
        2 => (-5i32..5).prop_map(RangeStyle::Shifted),
        1 => Just(RangeStyle::Ignored),
    ];
    let total = prop_oneof![
        3 => Just(LengthClaim::Right),
        2 => Just(LengthClaim::Absent),
        2 => (-70i32..70).prop_map(LengthClaim::Off),
    ];
    let served = prop_oneof![5 => Just(Served::Current), 1 => served()];
    let end = prop_oneof![4 => Just(End::Whole), 1 => end()];
    let rest = (served, range, total, validator, end).prop_map(|(served, range, total, validator, end)| {
        BodyReply { served, range, total, validator, end, ..BodyReply::default() }
    });
    (broken, rest).prop_map(|(broken, rest)| [broken, rest].map(ScriptedReply::Body).to_vec())
}

fn server() -> impl Strategy<Value = Server> {
    let chunk = prop_oneof![6 => Just(65_536u32), 1 => select(vec![1u32, 17, 4_096, 1_048_576])];
    let link_seconds = weighted(0.3, prop_oneof![-1_000i32..1_000, any::<i32>()]);
    (prop::bool::weighted(0.85), any::<bool>(), chunk, 0u8..4, link_seconds).prop_map(
        |(ranges, links, chunk, provider, link_seconds)| Server {
            ranges,
            links,
            chunk,
            provider,
            link_seconds,
        },
    )
}

fn clock() -> impl Strategy<Value = Option<ClockJump>> {
    let seconds = prop_oneof![-1_000i32..1_000, select(vec![-86_400, 3_600, 86_400, i32::MIN, i32::MAX])];
    weighted(0.2, (0u8..6, seconds))
        .prop_map(|jump| jump.map(|(after, seconds)| ClockJump { after, seconds }))
}

fn client() -> impl Strategy<Value = Client> {
    let destination = prop_oneof![
        2 => Just(Destination::Memory),
        2 => Just(Destination::Writer),
        3 => Just(Destination::File),
        3 => Just(Destination::Folder),
        1 => Just(Destination::ObjectStore),
    ];
    let exists = select(vec![IfExists::Refuse, IfExists::Keep, IfExists::Replace]);
    let mismatch = prop_oneof![
        5 => Just(Mismatch::Reject),
        1 => Just(Mismatch::Quarantine),
        1 => Just(Mismatch::Record),
    ];
    let max_bytes = weighted(0.1, prop_oneof![0u64..200, 0u64..3_000_000]);
    let deadline = weighted(0.1, 0u64..60_000);
    let limits = prop_oneof![4 => Just((5u32, 1u32)), 1 => (1u32..6, 0u32..3)];
    let disk = (any::<bool>(), prop::bool::weighted(0.8), weighted(0.06, offset()));
    (destination, exists, mismatch, max_bytes, deadline, disk, weighted(0.4, 1u8..5), limits).prop_map(
        |(destination, exists, mismatch, max_bytes, deadline_ms, disk, many, limits)| Client {
            destination,
            exists,
            mismatch,
            max_bytes,
            deadline_ms,
            resume_partial: disk.0,
            manifest: disk.1,
            disk_room: disk.2,
            many,
            max_attempts: limits.0,
            max_renewals: limits.1,
        },
    )
}

fn existing() -> impl Strategy<Value = Vec<ExistingFile>> {
    let bytes = prop_oneof![
        3 => offset().prop_map(PartialBytes::Beginning),
        1 => offset().prop_map(PartialBytes::Garbage),
        1 => offset().prop_map(PartialBytes::Symlink),
        1 => offset().prop_map(PartialBytes::HardLink),
    ];
    let partial = (0u8..3, select(TARGETS.to_vec()), bytes).prop_map(|(object, target, bytes)| {
        ExistingFile::Partial { object, target: target.to_owned(), bytes }
    });
    let one = prop_oneof![
        3 => (0u8..3).prop_map(ExistingFile::File),
        1 => (0u8..3).prop_map(ExistingFile::Folder),
        1 => (0u8..3).prop_map(ExistingFile::Symlink),
        1 => (0u8..3).prop_map(ExistingFile::HardLink),
        4 => partial,
    ];
    prop_oneof![5 => Just(Vec::new()), 4 => vec(one, 1..=2)]
}

fn event() -> impl Strategy<Value = WorldEvent> {
    prop_oneof![
        6 => Just(WorldEvent::None),
        1 => (0u32..40).prop_map(WorldEvent::Cancel),
        1 => Just(WorldEvent::Again),
        1 => (0u32..700).prop_map(WorldEvent::Forget),
        1 => Just(WorldEvent::Twice),
        1 => Just(WorldEvent::Apart),
        1 => (0u32..40).prop_map(WorldEvent::Kill),
        1 => (0u32..30).prop_map(WorldEvent::Crash),
    ]
}
