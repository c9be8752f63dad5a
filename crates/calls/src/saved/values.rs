//! Saved forms of the values of a call.

use std::collections::VecDeque;

use event::Seq;
use jiff::Timestamp;

use super::{Decoder, Encoder, Saved, saved_variants};
use crate::{
    call::{Call, Departure, Leg, Place},
    model::{CallKey, Direction, LegState, Party},
};

impl Saved for String {
    fn save<'a>(&'a self, out: &mut Encoder<'a>) {
        if let Some(known) = out.texts.get(&**self) {
            return out.number(u128::from(*known) * 2 + 1);
        }
        out.texts.insert(self, out.texts.len() as u64);
        out.number(self.len() as u128 * 2);
        out.bytes.extend_from_slice(self.as_bytes());
    }

    fn load(input: &mut Decoder<'_>) -> Option<Self> {
        input.text().map(str::to_owned)
    }
}

impl Saved for bool {
    fn save<'a>(&'a self, out: &mut Encoder<'a>) {
        out.byte(u8::from(*self));
    }

    fn load(input: &mut Decoder<'_>) -> Option<Self> {
        match input.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl Saved for Timestamp {
    fn save<'a>(&'a self, out: &mut Encoder<'a>) {
        let time = self.as_nanosecond();
        let distance = time - std::mem::replace(&mut out.time, time);
        // The sign is the lowest bit, so that short distances have few bytes.
        out.number(distance.unsigned_abs() << 1 | u128::from(distance < 0));
    }

    fn load(input: &mut Decoder<'_>) -> Option<Self> {
        let number = input.number()?;
        let distance = i128::try_from(number >> 1).ok()?;
        let distance = if number & 1 == 1 { -distance } else { distance };
        let at = Self::from_nanosecond(input.time.checked_add(distance)?).ok()?;
        input.time = at.as_nanosecond();
        Some(at)
    }
}

impl Saved for CallKey {
    fn save<'a>(&'a self, out: &mut Encoder<'a>) {
        self.seq.save(out);
        out.number(self.index.into());
    }

    fn load(input: &mut Decoder<'_>) -> Option<Self> {
        Some(Self { seq: Saved::load(input)?, index: input.number()?.try_into().ok()? })
    }
}

impl Saved for Seq {
    fn save<'a>(&'a self, out: &mut Encoder<'a>) {
        out.number(self.0.into());
    }

    fn load(input: &mut Decoder<'_>) -> Option<Self> {
        input.number()?.try_into().ok().map(Self)
    }
}

impl<T: Saved> Saved for Option<T> {
    fn save<'a>(&'a self, out: &mut Encoder<'a>) {
        out.byte(u8::from(self.is_some()));
        if let Some(value) = self {
            value.save(out);
        }
    }

    fn load(input: &mut Decoder<'_>) -> Option<Self> {
        if bool::load(input)? { T::load(input).map(Some) } else { Some(None) }
    }
}

impl<T: Saved> Saved for Vec<T> {
    fn save<'a>(&'a self, out: &mut Encoder<'a>) {
        out.number(self.len() as u128);
        for value in self {
            value.save(out);
        }
    }

    fn load(input: &mut Decoder<'_>) -> Option<Self> {
        // Collecting through `Option` reserves no memory for a number that may be damaged.
        (0..input.size()?).map(|_| T::load(input)).collect()
    }
}

impl<T: Saved> Saved for VecDeque<T> {
    fn save<'a>(&'a self, out: &mut Encoder<'a>) {
        out.number(self.len() as u128);
        for value in self {
            value.save(out);
        }
    }

    fn load(input: &mut Decoder<'_>) -> Option<Self> {
        Vec::load(input).map(Self::from)
    }
}

impl<A: Saved, B: Saved> Saved for (A, B) {
    fn save<'a>(&'a self, out: &mut Encoder<'a>) {
        self.0.save(out);
        self.1.save(out);
    }

    fn load(input: &mut Decoder<'_>) -> Option<Self> {
        Some((A::load(input)?, B::load(input)?))
    }
}

impl<A: Saved, B: Saved, C: Saved> Saved for (A, B, C) {
    fn save<'a>(&'a self, out: &mut Encoder<'a>) {
        self.0.save(out);
        self.1.save(out);
        self.2.save(out);
    }

    fn load(input: &mut Decoder<'_>) -> Option<Self> {
        Some((A::load(input)?, B::load(input)?, C::load(input)?))
    }
}

/// Saves the fields of a struct in this order. A field that is left out does not compile.
macro_rules! saved_fields {
    ($type:ident { $($field:ident),+ $(,)? }) => {
        impl Saved for $type {
            fn save<'a>(&'a self, out: &mut Encoder<'a>) {
                let Self { $($field),+ } = self;
                $($field.save(out);)+
            }

            fn load(input: &mut Decoder<'_>) -> Option<Self> {
                $(let $field = Saved::load(input)?;)+
                Some(Self { $($field),+ })
            }
        }
    };
}

saved_variants!(Direction { Inbound = 0, Outbound = 1, Internal = 2, Unknown = 3 });
saved_variants!(LegState { Initiated = 0, Alerting = 1, Connected = 2, Hold = 3, Null = 4 });
saved_fields!(Party { number, name, extension, user });
saved_fields!(Place { number, channel, is_unconfirmed });
saved_fields!(Departure { by, at });
saved_fields!(Leg {
    extension,
    name,
    user,
    channel,
    unique_id,
    linked_id,
    partner,
    counterpart,
    state,
    since,
    is_outgoing,
    through_trunk,
    through_queue,
    is_recorded,
    was_connected,
    is_announced,
    ended_on_hold,
    is_unconfirmed,
    is_alone,
    was_alone,
});
saved_fields!(Call {
    key,
    linked_ids,
    direction,
    from,
    to,
    original_from,
    originator,
    queue,
    waiting_channel,
    last_queue,
    parking,
    through_trunk,
    started,
    answered,
    is_answer_inferred,
    legs,
    certain,
    invisible_since,
    hidden_in,
    departures,
    invited,
    moved,
    transferor,
});
