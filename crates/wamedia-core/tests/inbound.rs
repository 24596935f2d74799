//! The memory that the items of a delivery may take, and what happens beyond it.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use bytes::Bytes;
use url::Url;
use wamedia_core::{
    ErrorKind, FailedItem, InboundItem, Items, MediaId, MediaItem, MediaKind, MediaLink, MediaRef, OtherItem,
    Phase, Preview, Secret,
};

const MIB: usize = 1 << 20;

fn media() -> MediaItem {
    MediaItem::new(MediaRef::new("test", MediaId::new("1").expect("an id")), MediaKind::Image, "entry[0]")
}

/// Puts a text into one field of an item.
type Fill<T> = fn(&mut T, String);

#[test]
fn every_text_of_an_item_counts() {
    let fields: [(&str, Fill<MediaItem>); 10] = [
        ("raw", |item, text| item.raw = text),
        ("path", |item, text| item.path = text),
        ("message_id", |item, text| item.message_id = Some(text)),
        ("message", |item, text| item.media.scope.message = Some(text)),
        ("account", |item, text| item.media.scope.account = Some(text)),
        ("sender", |item, text| item.sender = Some(Secret::new(text))),
        ("caption", |item, text| item.caption = Some(text)),
        ("name", |item, text| item.media.declared.name = Some(text)),
        ("digest", |item, text| item.media.declared.unusable_sha256 = Some(text)),
        ("preview", |item, text| item.preview = Some(Box::new(Preview::new(None, Bytes::from(text))))),
    ];
    for (field, fill) in fields {
        for (size, is_over) in [(12 * MIB, false), (13 * MIB, true)] {
            let (mut item, mut items) = (media(), Items::new(0));
            fill(&mut item, "x".repeat(size));
            items.media(item);
            assert_eq!(items.is_over(), is_over, "{size} bytes of {field}");
        }
    }
    let mut items = Items::new(0);
    for number in 0..1000 {
        let link = Url::parse(&format!("https://host.test/{number}/{}", "x".repeat(14_000))).unwrap();
        let mut item = media();
        item.media.link = Some(MediaLink::public(link));
        items.media(item);
    }
    assert!(items.is_over(), "links");
    let fields: [(&str, Fill<FailedItem>); 6] = [
        ("raw", |item, text| item.raw = text),
        ("path", |item, text| item.path = text),
        ("kind", |item, text| item.kind = text),
        ("message", |item, text| item.message = Some(text)),
        ("message_id", |item, text| item.message_id = Some(text)),
        ("provider_code", |item, text| item.provider_code = Some(text)),
    ];
    for (field, fill) in fields {
        for (size, is_over) in [(12 * MIB, false), (13 * MIB, true)] {
            let (mut item, mut items) = (FailedItem::new("unsupported", "entry[0]"), Items::new(0));
            fill(&mut item, "x".repeat(size));
            items.failed(item);
            assert_eq!(items.is_over(), is_over, "{size} bytes of {field}");
        }
    }
}

#[test]
fn a_delivery_with_more_media_than_it_may_hold_is_refused_whole() {
    // Thirteen mebibytes, and five times the size of the delivery.
    for (body, most) in [(0, 12), (MIB, 17), (10 * MIB, 62)] {
        let mut items = Items::new(body);
        assert!(items.is_empty());
        let add = |items: &mut Items| {
            let mut item = media();
            item.raw = "x".repeat(MIB);
            items.media(item);
        };
        (0..most).for_each(|_| add(&mut items));
        assert_eq!((items.len(), items.is_over()), (most, false), "{body}");
        add(&mut items);
        assert!(items.is_over(), "{body}");
        let error = items.into_inbound().unwrap_err();
        assert_eq!((error.kind(), error.phase()), (ErrorKind::TooLarge, Some(Phase::Prepare)));
    }
}

fn others(items: Items) -> Vec<OtherItem> {
    let items = items.into_inbound().expect("nothing was lost").items;
    let other = |item| match item {
        InboundItem::Other(item) => *item,
        item => panic!("{item:?}"),
    };
    items.into_iter().map(other).collect()
}

#[test]
fn what_holds_no_media_is_counted_where_it_is_not_kept() {
    let (raw, mut items) = ("x".repeat(MIB), Items::new(0));
    for _ in 0..10 {
        items.other("text", "entry[0]", &raw, Some("wamid.1"));
        items.other("status", "entry[1]", &raw, None);
    }
    assert!(!items.is_over());
    let others = others(items);
    let total = |kind: &str| others.iter().filter(|item| item.kind == kind).map(|item| item.count).sum();
    assert_eq!((total("text"), total("status")), (10_usize, 10_usize));
    let (kept, counted) = others.split_at(12);
    assert!(kept.iter().all(|item| item.count == 1 && item.raw.len() == MIB));
    assert!(kept.iter().step_by(2).all(|item| item.message_id.as_deref() == Some("wamid.1")));
    let counted: Vec<_> = counted.iter().map(|item| (&*item.kind, item.count, item.raw.len())).collect();
    assert_eq!(counted, [("text", 4, 0), ("status", 4, 0)]);
}

#[test]
fn many_small_items_count_with_what_holds_them() {
    let mut items = Items::new(0);
    for _ in 0..200_000 {
        items.other("text", "entry[0]", "{}", None);
    }
    let others = others(items);
    assert_eq!(others.iter().map(|item| item.count).sum::<usize>(), 200_000);
    let kept = others.iter().filter(|item| !item.raw.is_empty()).count();
    // The item, its kind, its text, its path, its place in the list, and what an allocator adds.
    let each = size_of::<OtherItem>() + 4 + 2 + 64 + 128;
    assert!(kept > 10_000 && kept * each <= 13 * MIB, "{kept} items of {each} bytes");
}

#[test]
fn at_most_64_kinds_are_counted_each_for_itself() {
    let mut items = Items::new(0);
    items.other("text", "", &"x".repeat(13 * MIB), None);
    for number in 0..200 {
        items.other(&format!("kind-{number}"), "", "{}", None);
    }
    let others = others(items);
    assert_eq!(others.len(), 64);
    assert_eq!(others.iter().map(|item| item.count).sum::<usize>(), 201);
    assert!(others[..63].iter().all(|item| item.count == 1));
    assert_eq!((&*others[63].kind, others[63].count), ("unknown", 201 - 63));
}

#[test]
fn others_are_summed_by_kind_and_what_is_kept_counts_whole() {
    let mut items = Items::new(0);
    for (kind, raw, id) in [("text", "{}", None), ("text", "{}", Some("wamid.1")), ("status", "[]", None)] {
        items.other(kind, "entry[0]", raw, id);
    }
    items.media(media());
    let inbound = items.into_inbound().unwrap();
    assert_eq!(inbound.others().into_iter().collect::<Vec<_>>(), [("status", 1), ("text", 2)]);
    // The kind, the text and the id each count as memory.
    for large in [("x".repeat(13 * MIB), "", ""), (String::new(), "x", ""), (String::new(), "", "x")] {
        let (kind, raw, id) = (large.0, large.1.repeat(13 * MIB), large.2.repeat(13 * MIB));
        let mut items = Items::new(0);
        items.other(&kind, "", &raw, Some(&id));
        let kept = others(items).pop().expect("it is counted");
        assert!(kept.raw.is_empty() && kept.message_id.is_none() && kept.kind.len() < MIB);
    }
}

#[test]
fn a_failed_item_shows_its_kind_and_code_and_no_word_of_a_sender() {
    let mut item = FailedItem::new("unsupported", "entry[0]");
    item.provider_code = Some("131051".to_owned());
    item.message = Some("from a person".to_owned());
    item.raw = "of a person".to_owned();
    let shown = format!("{item:?}");
    assert!(
        shown.contains("unsupported") && shown.contains("131051") && !shown.contains("person"),
        "{shown}"
    );
}
