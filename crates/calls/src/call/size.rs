//! Names and sizes of calls, for the index.

use super::{Call, Departure, Leg};
use crate::model::Party;

impl Call {
    /// Returns the names that it can be found by; not empty, and perhaps repeated.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let legs = self.legs.iter().flat_map(|leg| [&leg.channel, &leg.partner]);
        let places = self.queue.iter().chain(&self.parking).flat_map(|place| [&place.number, &place.channel]);
        let names = self.linked_ids.iter().chain(&self.waiting_channel).chain(legs).chain(places);
        names.map(String::as_str).filter(|name| !name.is_empty())
    }

    /// Estimates the memory use in bytes.
    pub(crate) fn size(&self) -> usize {
        let texts = |texts: &[Option<&String>]| texts.iter().flatten().map(|text| text.len()).sum::<usize>();
        let parties = [&self.from, &self.to, &self.original_from].into_iter();
        let parties = parties
            .chain(self.invited.iter().map(|(party, _)| party))
            .chain(self.moved.iter().map(|(party, ..)| party))
            .chain(self.transferor.iter().map(|(_, party, _)| party));
        let places = self.queue.iter().chain(&self.parking);
        size_of::<Self>()
            + self.legs.iter().map(Leg::size).sum::<usize>()
            + self.linked_ids.iter().map(|id| size_of::<String>() + id.len()).sum::<usize>()
            + self.departures.iter().map(|left| size_of::<Departure>() + party(&left.by)).sum::<usize>()
            + parties.map(party).sum::<usize>()
            + places.map(|place| place.number.len() + place.channel.len()).sum::<usize>()
            + texts(&[self.originator.as_ref(), self.waiting_channel.as_ref(), self.last_queue.as_ref()])
            + self.transferor.as_ref().map_or(0, |(extension, ..)| extension.len())
    }
}

impl Leg {
    fn size(&self) -> usize {
        size_of::<Self>()
            + self.channel.len()
            + self.partner.len()
            + self.extension.len()
            + self.name.len()
            + self.user.len()
            + self.unique_id.len()
            + self.linked_id.len()
            + party(&self.counterpart)
    }
}

fn party(party: &Party) -> usize {
    [&party.number, &party.name, &party.extension, &party.user].into_iter().flatten().map(String::len).sum()
}
